package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// endless is a document of a given size from a repeated block.
type endless struct {
	block []byte
	left  int64
}

func (e *endless) WriteTo(w io.Writer) (total int64, err error) {
	for e.left > 0 && err == nil {
		var n int
		n, err = w.Write(e.block[:min(int64(len(e.block)), e.left)])
		total, e.left = total+int64(n), e.left-int64(n)
	}
	return total, err
}

func (b *bench) block() []byte {
	block := make([]byte, 256<<10)
	for i := range block {
		block[i] = byte(i*31 + i>>8)
	}
	return block
}

// sendLarge provides one document of size bytes.
func (b *bench) sendLarge(ctx context.Context, c *child, run int64, number int, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sub := sample.Submission(run, number, firstSource, time.Now())
	body := ebxml.AppendProvideAndRegister(nil, sub, func(xds.ObjectID) string { return "document@bench" })
	m := mtom.Message{Action: actionProvide, Root: soap.Envelope(actionProvide, body),
		Parts: []mtom.OutPart{{ContentID: "document@bench", ContentType: "text/xml", Size: size, Content: &endless{b.block(), size}}}}
	return b.post(c.addr, repositoryPath, m.ContentType(), m.Len(), m.WriteTo, success)
}

func (b *bench) post(addr, path, contentType string, length int64, body func(io.Writer) (int64, error), want string) error {
	k, err := dial(addr, b.tls)
	if err != nil {
		return err
	}
	defer k.Close()
	if _, err := fmt.Fprintf(k, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, contentType, length); err != nil {
		return err
	}
	if _, err := body(k); err != nil {
		return err
	}
	_, err = k.answer(want)
	return err
}

const gigabyteSize = 1_000_000_000

// gigabyte sends one document of 1 GB, beside a server that only streams, and fetches it back.
func (b *bench) gigabyte(ctx context.Context, s scenario) error {
	return b.on(ctx, s, 0, func(c *child) error {
		run := b.run()
		timed := func(send func() error, pid int) func() (figures, error) {
			return func() (figures, error) {
				at, cpu := time.Now(), cpuOf(pid)
				err := send()
				return figures{Rate: gigabyteSize / 1e6 / time.Since(at).Seconds(), CPU: float64((cpuOf(pid) - cpu).Microseconds())}, err
			}
		}
		number := firstNumber
		yardstick := timed(func() error {
			return b.post(b.yard.addr, "/stream", "application/octet-stream", gigabyteSize, (&endless{b.block(), gigabyteSize}).WriteTo, "")
		}, b.yard.pid())
		r, err := b.pairs(ctx, rate, yardstick, timed(func() error { number++; return b.sendLarge(ctx, c, run, number, gigabyteSize) }, c.pid()))
		if err != nil {
			return err
		}
		peak := memory(c.pid(), "VmHWM")
		b.report(s, result{Product: peak, Unit: "MiB peak", Yardstick: memory(b.yard.pid(), "VmHWM"), YardstickName: "streaming server", Judged: peak, CPU: r.CPU})
		r.Unit, r.YardstickName = "MB/s", "streaming server"
		b.report(s.row("-in-rate", .70, .85, false), r)
		m, err := retrieveMessage(run)
		if err != nil {
			return err
		}
		m.set(m.wire, number, "")
		k, err := dial(c.addr, b.tls)
		if err != nil {
			return err
		}
		defer k.Close()
		if _, err := k.do(m.wire, success); err != nil {
			return err
		}
		grown := memory(c.pid(), "VmHWM") - peak
		out := s.row("-out", 16, 4, true)
		out.unit = "MiB"
		b.report(out, result{Product: grown, Unit: "MiB more", Judged: grown})
		return nil
	})
}

// crowd sends thirty-two documents of 100 MB at once.
func (b *bench) crowd(ctx context.Context, s scenario) error {
	return b.on(ctx, s, 0, func(c *child) error {
		run := b.run()
		errs := make([]error, 32)
		var wg sync.WaitGroup
		at := time.Now()
		for i := range errs {
			wg.Go(func() { errs[i] = b.sendLarge(ctx, c, run, firstNumber+i, 100_000_000) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		peak := memory(c.pid(), "VmHWM")
		b.report(s, result{Product: peak, Unit: "MiB peak", Judged: peak, Yardstick: 3200 / time.Since(at).Seconds(), YardstickName: "MB/s received"})
		return nil
	})
}

// idle is what a gateway holds that nobody asks.
func (b *bench) idle(ctx context.Context, s scenario) error {
	// A binary that was just written lies in the system's cache in larger pieces than one that was read since the machine started, and more of it counts as memory of
	// the process, up to 20 MiB.
	if out, err := exec.Command("dd", "if="+b.opt.gateway, "iflag=nocache", "count=0").CombinedOutput(); err != nil {
		return fmt.Errorf("take the binary out of the cache: %w\n%s", err, out)
	}
	return b.on(ctx, s, 50_000, func(c *child) error {
		time.Sleep(3 * time.Second)
		rss := memory(c.pid(), "VmRSS")
		b.report(s, result{Product: rss, Unit: "MiB", Judged: rss})
		return nil
	})
}

// startTime is from the start of the process to its first answer, on 300,000 documents: about 10 GB.
func (b *bench) startTime(ctx context.Context, s scenario) error {
	dir := filepath.Join(b.dir, "store-300000")
	if err := fill(ctx, dir, 300_000, false); err != nil {
		return err
	}
	var times []float64
	for range max(b.opt.pairs, 3) {
		at := time.Now()
		c, err := b.gateway(dir, s.name)
		if err != nil {
			return err
		}
		k, err := dial(c.addr, b.tls)
		if err != nil {
			return err
		}
		m := queryMessage("ObjectRef")
		if _, err := k.do(m.wire, success); err != nil {
			return err
		}
		times = append(times, ms(time.Since(at)))
		k.Close()
		if err := c.stop(); err != nil {
			return err
		}
	}
	b.report(s, result{Product: median(times), Unit: "ms", Judged: median(times)})
	return nil
}

// parse decodes a submission in this process, against encoding/xml reading its tokens. What libxml2 does for each of encoding/xml's was recorded.
func (b *bench) parse(ctx context.Context, s scenario) error {
	const libxml2 = 8.4
	body := parsedMessage()
	loop := func(one func() error) func() (figures, error) {
		return func() (figures, error) {
			n, at := 0, time.Now()
			for time.Since(at) < time.Second {
				if err := one(); err != nil {
					return figures{}, err
				}
				n++
			}
			return figures{Rate: float64(n*len(body)) / 1e6 / time.Since(at).Seconds(), CPU: float64(time.Since(at).Microseconds()) / float64(n)}, nil
		}
	}
	r, err := b.pairs(ctx, rate, loop(func() error {
		d := xml.NewDecoder(bytes.NewReader(body))
		for {
			if _, err := d.Token(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	}), loop(func() error {
		x := xmlpull.NewReader(body, xmlpull.Options{})
		if _, err := x.Next(); err != nil {
			return err
		}
		_, _, err := ebxml.DecodeSubmitObjects(x, xds.CodeRegistryMetadataError, ebxml.Lenient{})
		return err
	}))
	r.Unit, r.YardstickName, r.Judged = "MB/s", fmt.Sprintf("encoding/xml; to libxml2 SAX (recorded %.1f) %.2f", libxml2, r.Ratio/libxml2), r.Ratio/libxml2
	if err == nil {
		b.report(s, r)
	}
	return err
}

// parsedMessage is metadata of about 12.9 KB: two entries.
func parsedMessage() []byte {
	sub := sample.Submission(1, firstNumber, firstSource, time.Now())
	second := sub.Entries[0]
	second.ID = "Document02"
	sub.Entries = append(sub.Entries, second)
	return ebxml.AppendSubmitObjects(nil, sub)
}
