package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

type Account struct {
	store.Meta
	Name string
}

type Token struct {
	ID, AccountID string
}

var (
	accounts = store.NewTable(store.Spec[Account]{
		Name: "accounts", Schema: 1,
		Key: func(a *Account) string { return a.ID },
	})
	accountByName = store.Unique(accounts, "name", func(a *Account) (store.Key, bool) {
		return store.KeyOf(strings.ToLower(a.Name)), true
	})

	tokens = store.NewTable(store.Spec[Token]{
		Name: "tokens", Schema: 1,
		Key: func(t *Token) string { return t.ID },
	})
	tokensOf = store.Reference(tokens, "AccountID", accounts, func(t *Token) string { return t.AccountID }, store.Cascade)
)

func Example() {
	s, err := store.Open([]store.AnyTable{accounts, tokens})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx := context.Background()

	index, err := s.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(
			accounts.Insert(tx, &Account{Meta: store.Meta{ID: "a1"}, Name: "Neo"}),
			tokens.Insert(tx, &Token{ID: "t1", AccountID: "a1"}),
		)
	})
	fmt.Println("commit", index, err)

	_, err = s.Update(ctx, func(tx *store.Tx) error {
		return accounts.Insert(tx, &Account{Meta: store.Meta{ID: "a2"}, Name: "NEO"})
	})
	fmt.Println(atoll.KindOf(err), atoll.CodeOf(err))

	v := s.View()
	if neo, ok := accountByName.Get(v, store.KeyOf("neo")); ok {
		for t := range tokensOf.All(v, store.KeyOf(neo.ID)) {
			fmt.Println(neo.Name, "has", t.ID)
		}
	}
	// Output:
	// commit 1 <nil>
	// conflict exists
	// Neo has t1
}

func ExampleStore_Watch() {
	s, err := store.Open([]store.AnyTable{accounts, tokens})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx := context.Background()
	stream := s.Watch(ctx, 0, func(c *store.Commit) bool { return len(c.Changes) > 0 })

	for _, name := range []string{"Neo", "Trinity"} {
		if _, err := s.Update(ctx, func(tx *store.Tx) error {
			tx.Note("account.rename", "user::/accounts::"+name, nil)
			return accounts.Put(tx, &Account{Meta: store.Meta{ID: "a1"}, Name: name})
		}); err != nil {
			fmt.Println(err)
		}
	}
	for range 2 {
		c, err := stream.Next(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, ch := range c.Changes {
			fmt.Println(c.Index, c.Notes[0].Event, ch.Op, ch.Table, ch.After.(*Account).Name)
		}
	}
	// Output:
	// 1 account.rename created accounts Neo
	// 2 account.rename updated accounts Trinity
}

func ExampleTracked_Changed() {
	s, err := store.Open([]store.AnyTable{accounts, tokens})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx := context.Background()

	v := s.Track()
	fmt.Println("tokens of a1:", tokensOf.Count(v, store.KeyOf("a1")))
	if _, err := s.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(
			accounts.Insert(tx, &Account{Meta: store.Meta{ID: "a1"}, Name: "Neo"}),
			tokens.Insert(tx, &Token{ID: "t1", AccountID: "a1"}),
		)
	}); err != nil {
		fmt.Println(err)
	}
	if err := v.Changed(ctx); err == nil {
		fmt.Println("tokens of a1:", tokensOf.Count(s.View(), store.KeyOf("a1")))
	}
	// Output:
	// tokens of a1: 0
	// tokens of a1: 1
}
