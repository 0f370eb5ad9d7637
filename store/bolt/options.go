package bolt

import "time"

// Options of a store; the zero value works.
type Options struct {
	OverlayLimit int           // bytes of rows held above bbolt before they are written there; 128 MiB when 0
	IdleFlush    time.Duration // rows are written to bbolt after this long without an update; 1 s when 0, never when negative
	SegmentSize  int64         // journal segments; 64 MiB when 0
	MapSize      int           // address space kept for the bbolt file, see Open; 64 GiB when 0
	CacheSize    int           // bytes of decoded objects kept for views, about; none when 0
	LockTimeout  time.Duration // wait this long for another process to let go; 1 s when 0
}

func (o Options) withDefaults() Options {
	if o.OverlayLimit <= 0 {
		o.OverlayLimit = 128 << 20
	}
	if o.IdleFlush == 0 {
		o.IdleFlush = time.Second
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = 64 << 20
	}
	if o.MapSize <= 0 {
		o.MapSize = 64 << 30
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Second
	}
	return o
}
