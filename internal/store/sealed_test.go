package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/atoll-platform/atoll/internal/store"
)

func TestSealedIsNeverShown(t *testing.T) {
	const secret = "pl4nted"
	type config struct {
		Password store.Sealed
		More     map[string]store.Sealed
		List     []store.Sealed
		Maybe    *store.Sealed
	}
	s := store.Sealed(secret)
	c := config{s, map[string]store.Sealed{"k": s}, []store.Sealed{s}, &s}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		shown["Sprintf "+verb] = fmt.Sprintf(verb, s) + fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &c)
	}
	shown["Sprint"] = fmt.Sprint(s, c)
	if raw, err := json.Marshal(c); err != nil {
		t.Error(err)
	} else {
		shown["encoding/json"] = string(raw)
	}
	if raw, err := jsonv2.Marshal(c); err != nil {
		t.Error(err)
	} else {
		shown["json v2"] = string(raw)
	}
	if raw, err := xml.Marshal(s); err != nil {
		t.Error(err)
	} else {
		shown["encoding/xml"] = string(raw)
	}
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "s", s, "c", c)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "s", s, "c", c)
	shown["slog text"], shown["slog JSON"] = text.String(), js.String()
	shown["an error"] = fmt.Errorf("bad %v: %w", c, errAbort).Error()
	for how, got := range shown {
		if strings.Contains(got, secret) || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows the secret: %s", how, got)
		}
		if !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: %s, want it to say [redacted]", how, got)
		}
	}
	if s.Reveal() != secret || fmt.Sprint(store.Sealed("")) != "" {
		t.Error("Reveal or the empty secret is wrong")
	}
}

func TestSealedTravelsInLogAndSnapshotOnly(t *testing.T) {
	const secret = "pl4nted"
	log := &memoryLog{}
	s := open(t, store.WithLog(log))
	update(t, s, func(tx *store.Tx) error {
		p := named("p1", "Ann")
		p.Secret = secret
		tx.Note("made", "", p)
		return parents.Insert(tx, &p)
	})
	entry := log.all()[0]
	if !strings.Contains(string(entry.Rows[0].Row), secret) || !strings.Contains(snapshotOf(t, s), secret) {
		t.Error("log or snapshot has lost the secret")
	}
	if strings.Contains(string(entry.Notes[0].Detail), secret) {
		t.Error("the note of the entry shows the secret")
	}
	c, err := s.Watch(context.Background(), 0, nil).Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, after := c.Public(0)
	raw, err := json.Marshal(after)
	if err != nil || strings.Contains(string(raw), secret) {
		t.Errorf("the public projection shows %s, %v", raw, err)
	}
	_, err = s.Update(context.Background(), func(tx *store.Tx) error {
		p := named("p2", "ann")
		p.Secret = secret
		return parents.Insert(tx, &p)
	})
	if got := fmt.Sprintf("%+v %#v", err, err); strings.Contains(got, secret) {
		t.Errorf("the error shows %s", got)
	}
}
