package bolt

import (
	"testing"

	"github.com/passerelle-sante/passerelle/xds"
)

func entry(title string) (xds.Object, string) {
	e := xds.DocumentEntry{Header: xds.Header{ID: "urn:uuid:1", LogicalID: "urn:uuid:1"}, Title: xds.Plain(title)}
	o := xds.Object{Entry: &e}
	return o, string(appendObject(nil, o))
}

func TestCacheFollowsTheRow(t *testing.T) {
	c := newCache(1 << 20)
	before, raw := entry("before")
	c.put(7, raw, before)
	if got, ok := c.get(7, []byte(raw)); !ok || got.Entry.Title[0].Value != "before" {
		t.Fatalf("the object of the same row: %v, %v", got, ok)
	}
	after, changed := entry("after")
	if got, ok := c.get(7, []byte(changed)); ok {
		t.Fatalf("a changed row gave the former object %v", got)
	}
	c.put(7, changed, after)
	if got, ok := c.get(7, []byte(changed)); !ok || got.Entry.Title[0].Value != "after" {
		t.Fatalf("the object of the changed row: %v, %v", got, ok)
	}
	if _, ok := c.get(7, []byte(raw)); ok {
		t.Fatal("a view of the former moment got the later object")
	}
}

func TestCacheStaysInItsRoom(t *testing.T) {
	c := newCache(64 << 10)
	o, raw := entry("one of many")
	for seq := range uint64(10_000) {
		c.put(seq, raw, o)
		c.get(0, []byte(raw)) // asked for all the time
	}
	if n := (len(c.young) + len(c.old)) * weightOf(&cached{raw: raw, object: o}); n > 64<<10+2*12*len(raw) {
		t.Fatalf("%d bytes are kept in a room of %d", n, 64<<10)
	}
	if _, ok := c.get(0, []byte(raw)); !ok {
		t.Fatal("what is asked for all the time was dropped")
	}
	if _, ok := c.get(1, []byte(raw)); ok {
		t.Fatal("what nobody asked for was kept")
	}
}

func TestWireKeepsWhatIsWanted(t *testing.T) {
	c := newCache(1 << 20)
	o, raw := entry("text")
	first := c.put(1, raw, o)
	if first.Wire.Keep([]byte("a")); first.Wire.Text() != nil {
		t.Fatal("text of an object seen once is kept")
	}
	again, _ := c.get(1, []byte(raw))
	text := []byte("b")
	again.Wire.Keep(text)
	text[0] = 'c'
	if got := string(again.Wire.Text()); got != "b" {
		t.Fatalf("kept %q", got)
	}
}
