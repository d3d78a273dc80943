package policy

// Evaluate returns every claim that follows for t, with the rules that assert
// it. With is what the enforcement adds. It costs microseconds, not
// nanoseconds: for yes or no, Allowed is there.
func (s *Session) Evaluate(t Target, with ...Claim) Result {
	return s.set.evaluate(t, s.claims.claims, with)
}

func (s *Set) evaluate(t Target, claims, with []Claim) Result {
	cs := newClaimSet(t)
	cs.input(claims, with)
	r, _ := evaluate(s.covering(t), s.vars, s.types, t, cs)
	return r
}

// covering returns the policies that cover t, in no particular order.
func (s *Set) covering(t Target) []applied {
	var sources []*source
	seen := map[*source]bool{}
	for _, e := range s.elements(t) {
		for i := range e.rules {
			if src := e.rules[i].src; !seen[src] {
				seen[src] = true
				sources = append(sources, src)
			}
		}
	}
	docs := make([]*Document, len(sources))
	for i, src := range sources {
		docs[i] = src.document()
	}
	return covering(docs, t)
}
