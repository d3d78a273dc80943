package actor

// Merge returns a and b united: objects member by member, recursively; arrays
// by appending to a's elements those of b that are not among them; of other
// pairs b wins. A Missing side yields the other one.
func Merge(a, b Value) Value { return merge(a, b, 0) }

func merge(a, b Value, depth int) Value {
	switch {
	case b.kind == MissingKind:
		return a
	case a.kind == ObjectKind && b.kind == ObjectKind && depth < maxWalk:
		return mergeObjects(a, b, depth)
	case a.kind == ArrayKind && b.kind == ArrayKind:
		return mergeArrays(a, b)
	}
	return b
}

func mergeObjects(a, b Value, depth int) Value {
	var fields []Field
	at := make(map[string]int)
	for name, v := range a.Fields() {
		at[name] = len(fields)
		fields = append(fields, Field{name, v})
	}
	for name, v := range b.Fields() {
		if i, ok := at[name]; ok {
			fields[i].Value = merge(fields[i].Value, v, depth+1)
		} else {
			fields = append(fields, Field{name, v})
		}
	}
	return Object(fields...)
}

func mergeArrays(a, b Value) Value {
	var all []Value
	has := make(map[string]bool)
	for e := range a.Elems() {
		all = append(all, e)
		has[string(appendCanonical(nil, e, 0))] = true
	}
	for e := range b.Elems() {
		if !has[string(appendCanonical(nil, e, 0))] {
			all = append(all, e)
		}
	}
	return Array(all...)
}
