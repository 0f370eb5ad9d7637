package render_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/passerelle-sante/passerelle/cda/render"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// Chromium shows every page without a word on its console: nothing was refused by the policy, nothing ran, nothing was fetched.
// RENDER_DIR keeps the pages and their pictures.
func TestBrowser(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: pages are not looked at by a browser")
	}
	docs := map[string][]byte{"features": features(), "attack": attack(), "lab-report": sample.LabReport(1), "unstructured": sample.UnstructuredReport(1)}
	if !testing.Short() {
		t.Run("samples", func(t *testing.T) { maps.Copy(docs, samples(t)) })
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1200, 1000))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	messages, said := chromedp.Console(ctx), make(chan string, 100)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			said <- string(m.Type) + ": " + m.Text
		}
	}()
	dir := os.Getenv("RENDER_DIR")
	keep := dir != ""
	if !keep {
		dir = t.TempDir()
	}
	for name, doc := range docs {
		page, _, err := render.Page(doc, render.Options{})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, page, 0o644); err != nil {
			t.Fatal(err)
		}
		look(t, ctx, file, keep)
		for len(said) > 0 {
			t.Errorf("%s: the console says %q", name, <-said)
		}
	}
	served(t, ctx)
	for len(said) > 0 {
		t.Errorf("attachments served apart: the console says %q", <-said)
	}
}

// served shows a document whose attachments are served apart, under the policy of its page.
func served(t *testing.T, ctx context.Context) {
	t.Helper()
	o := render.Options{Resource: func(r render.Resource) string { return "/piece/" + strconv.Itoa(r.Index) }}
	page, _, err := render.Page(sample.UnstructuredReport(1), o)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan bool, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", render.Policy(o))
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(page)
		case "/piece/1":
			asked <- true
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write(sample.PDF("essai"))
		default:
			w.WriteHeader(http.StatusNoContent) // the icon a browser asks for
		}
	}))
	defer server.Close()
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	case <-time.After(10 * time.Second):
		t.Error("the browser did not ask for the attachment")
	}
}

func look(t *testing.T, ctx context.Context, file string, keep bool) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	scripts, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.scripts.length + document.querySelectorAll("iframe,embed,link,base,form").length`))
	if err != nil || scripts != 0 {
		t.Errorf("%s: %d scripts, frames or forms, %v", file, scripts, err)
	}
	if lang, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.documentElement.lang`)); err != nil || lang != "fr" {
		t.Errorf("%s: the language is %q, %v", file, lang, err)
	}
	if !keep {
		return
	}
	_ = chromedp.Do(ctx, chromedp.Sleep(1500*time.Millisecond))
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".png", picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
