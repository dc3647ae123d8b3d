package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// impatient resolves with a client that waits for nothing.
func impatient(ctx context.Context, name string) (string, error) {
	return impatientlyTelling(ctx, name, nil)
}

// impatientlyTelling is impatient with progress.
func impatientlyTelling(ctx context.Context, name string, progress func(file string, done, total int64)) (string, error) {
	c, err := newClient(progress)
	if err != nil {
		return "", err
	}
	c.pause, c.stall = time.Millisecond, 200*time.Millisecond
	repo, _ := parseName(name)
	return c.resolve(ctx, repo)
}

func expectSnapshot(t *testing.T, h *fakeHub, dir string) {
	t.Helper()
	want := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--owner--name", "snapshots", testCommit)
	if dir != want {
		t.Fatalf("got directory %s, expected %s", dir, want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		if content, err := os.ReadFile(filepath.Join(dir, entry.Name())); err != nil || string(content) != h.files[entry.Name()] {
			t.Errorf("%s differs from the hub's, %v", entry.Name(), err)
		}
	}
	files := []string{"LICENSE", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
	if !slices.Equal(names, files) {
		t.Errorf("files %q, expected %q", names, files)
	}
	blobs, err := os.ReadDir(filepath.Join(dir, "..", "..", "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range blobs {
		if strings.Contains(blob.Name(), "incomplete") {
			t.Errorf("%s was left", blob.Name())
		}
	}
}

func TestResolveDownloads(t *testing.T) {
	h := newFakeHub(t)
	last := map[string]int64{}
	progress := func(file string, done, total int64) {
		if done < last[file] || total != int64(len(h.files[file])) {
			t.Errorf("%s: progress %d of %d after %d", file, done, total, last[file])
		}
		last[file] = done
	}
	dir, err := Resolve(context.Background(), "owner/name", progress)
	if err != nil {
		t.Fatal(err)
	}
	expectSnapshot(t, h, dir)
	for _, file := range []string{"config.json", "model.safetensors"} {
		if last[file] != int64(len(h.files[file])) {
			t.Errorf("%s: progress ended at %d", file, last[file])
		}
	}
	if target, err := os.Readlink(filepath.Join(dir, "config.json")); err != nil || !strings.HasPrefix(filepath.ToSlash(target), "../../blobs/") {
		t.Errorf("config.json links to %q, %v", target, err)
	}
	if ref, err := os.ReadFile(filepath.Join(dir, "..", "..", "refs", "main")); err != nil || string(ref) != testCommit {
		t.Errorf("refs/main is %q, %v", ref, err)
	}

	// The second time only the commit is asked for, and there is nothing to tell; offline, nothing is; and without a connection the
	// copy will do.
	before := h.count("")
	silent := func(file string, done, total int64) {
		t.Errorf("told of %d of %d bytes of %s, which was there", done, total, file)
	}
	if _, err := Resolve(context.Background(), "owner/name", silent); err != nil || h.count("") != before+1 {
		t.Errorf("%d requests, %v", h.count("")-before, err)
	}
	t.Setenv("HF_HUB_OFFLINE", "1")
	for _, name := range []string{"owner/name", "owner/name@main", "owner/name@" + testCommit} {
		if got, err := Resolve(context.Background(), name, nil); err != nil || got != dir {
			t.Errorf("offline: %s, %v", got, err)
		}
	}
	t.Setenv("HF_HUB_OFFLINE", "")
	h.server.Close()
	if got, err := Resolve(context.Background(), "owner/name", nil); err != nil || got != dir {
		t.Errorf("without a connection: %s, %v", got, err)
	}
	if h.count("") != before+1 {
		t.Error("asked the hub while offline")
	}
}

func TestResolveShards(t *testing.T) {
	h := newFakeHub(t)
	delete(h.files, "model.safetensors")
	h.files["model.safetensors.index.json"] = `{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}`
	h.files["model-00002-of-00002.safetensors"] = "second"
	dir, err := Resolve(context.Background(), "owner/name@refs/pr/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
		if content, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(content) != h.files[name] {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
	t.Setenv("HF_HUB_OFFLINE", "yes")
	if got, err := Resolve(context.Background(), "owner/name@refs/pr/1", nil); err != nil || got != dir {
		t.Errorf("offline: %s, %v", got, err)
	}
	os.Remove(filepath.Join(dir, "model-00002-of-00002.safetensors"))
	if _, err := Resolve(context.Background(), "owner/name@refs/pr/1", nil); err == nil || !strings.Contains(err.Error(), "lacks model-00002-of-00002.safetensors") {
		t.Errorf("offline without a shard: %v", err)
	}
}

func TestResolveOfflineAndEmpty(t *testing.T) {
	h := newFakeHub(t)
	t.Setenv("HF_HUB_OFFLINE", "TRUE")
	_, err := Resolve(context.Background(), "owner/name", nil)
	if err == nil || !strings.Contains(err.Error(), "HF_HUB_OFFLINE is set") || !strings.Contains(err.Error(), os.Getenv("HF_HOME")) {
		t.Errorf("got %v, expected the variable and the cache", err)
	}
	if h.count("") != 0 {
		t.Error("asked the hub while offline")
	}
}

func TestResolveErrors(t *testing.T) {
	// answer makes the hub give the same answer to everything.
	answer := func(text string) func(*fakeHub) {
		return func(h *fakeHub) {
			h.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
		}
	}
	gated := func(token string) func(*fakeHub) {
		return func(h *fakeHub) {
			h.token = "secret"
			h.t.Setenv("HF_TOKEN", token)
		}
	}
	circle := func(h *fakeHub) {
		h.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		})
	}
	pickle := func(h *fakeHub) { h.files = map[string]string{"config.json": "{}", "pytorch_model.bin": ""} }
	without := func(file string) func(*fakeHub) { return func(h *fakeHub) { delete(h.files, file) } }
	for name, c := range map[string]struct {
		change func(h *fakeHub)
		model  string
		want   []string
	}{
		"unknown, no token":   {nil, "owner/other", []string{"401", "set HF_TOKEN"}},
		"unknown, with token": {gated("wrong"), "owner/other", []string{"404", "has no such repository"}},
		"gated":               {gated(""), "owner/name", []string{"401", "ask for access on http://", "HF_TOKEN"}},
		"wrong token":         {gated("wrong"), "owner/name", []string{"403", "may not read"}},
		"unknown revision":    {nil, "owner/name@v9", []string{"404", `no revision "v9"`}},
		"only a pickle":       {pickle, "owner/name", []string{"no weights in safetensors", "pickle"}},
		"shards, no index":    {without("model.safetensors"), "owner/name", []string{"no weights in safetensors"}},
		"no config":           {without("config.json"), "owner/name", []string{"no config.json"}},
		"not a hub":           {func(h *fakeHub) { h.server.Config.Handler = http.NotFoundHandler() }, "owner/name", []string{"404"}},
		"a web page":          {answer("<html>"), "owner/name", []string{"is HF_ENDPOINT right?"}},
		"commit of a path":    {answer(`{"sha":"../../x"}`), "owner/name", []string{"list of files"}},
		"redirects":           {circle, "owner/name", []string{"more than 10 redirects"}},
		"no connection":       {func(h *fakeHub) { h.server.Close() }, "owner/name", []string{"is there a working connection to http://"}},
		"bad endpoint":        {func(h *fakeHub) { h.t.Setenv("HF_ENDPOINT", "huggingface.co") }, "owner/name", []string{"HF_ENDPOINT is"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHub(t)
			if c.change != nil {
				c.change(h)
			}
			_, err := Resolve(context.Background(), c.model, nil)
			if err == nil {
				t.Fatal("resolved")
			}
			for _, want := range append(c.want, "hub: "+c.model) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, expected it to contain %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("%q shows the token", err)
			}
		})
	}
}

func TestResolveWithToken(t *testing.T) {
	h := newFakeHub(t)
	h.token = "secret"
	t.Setenv("HF_TOKEN", " secret\n")
	dir, err := Resolve(context.Background(), "owner/name", nil)
	if err != nil {
		t.Fatal(err)
	}
	expectSnapshot(t, h, dir)
}

// A connection that breaks again and again costs no byte twice.
func TestResolveResumes(t *testing.T) {
	h := newFakeHub(t)
	h.breaks, h.breakAfter = 3, 30_000
	dir, err := impatient(context.Background(), "owner/name")
	if err != nil {
		t.Fatal(err)
	}
	expectSnapshot(t, h, dir)
	for _, want := range []string{"storage bytes=30000-", "storage bytes=60000-", "storage bytes=90000-"} {
		if h.count(want) != 1 {
			t.Errorf("%d requests of %q: %q", h.count(want), want, h.requests)
		}
	}
}

// A download that fails for good leaves no file that looks complete, and the next run goes on with it.
func TestResolveGivesUpAndGoesOn(t *testing.T) {
	h := newFakeHub(t)
	h.breaks, h.breakAfter = 5, 10
	if _, err := impatient(context.Background(), "owner/name"); err == nil || !strings.Contains(err.Error(), "model.safetensors: ") {
		t.Fatalf("got %v", err)
	}
	t.Setenv("HF_HUB_OFFLINE", "1")
	if _, err := impatient(context.Background(), "owner/name"); err == nil {
		t.Fatal("an incomplete copy was taken for a model")
	}
	t.Setenv("HF_HUB_OFFLINE", "")
	dir, err := impatient(context.Background(), "owner/name")
	if err != nil {
		t.Fatal(err)
	}
	expectSnapshot(t, h, dir)
	if h.count("storage bytes=50-") != 1 {
		t.Errorf("did not go on from byte 50: %q", h.requests)
	}
}

func TestResolveChecksTheContent(t *testing.T) {
	h := newFakeHub(t)
	h.corrupts = 1
	finished := map[string]int{}
	dir, err := impatientlyTelling(context.Background(), "owner/name", func(file string, done, total int64) {
		if done == total {
			finished[file]++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	expectSnapshot(t, h, dir)
	if finished["model.safetensors"] != 1 || finished["LICENSE"] != 1 {
		t.Errorf("files were told to be complete %v times, expected once each", finished)
	}

	h = newFakeHub(t)
	h.corrupts = 100
	if _, err := impatient(context.Background(), "owner/name"); err == nil || !strings.Contains(err.Error(), "has the hash") {
		t.Errorf("got %v, expected a wrong hash", err)
	}
}

// A hub that is out of order is asked again, unless a complete copy will do.
func TestResolveOutOfOrder(t *testing.T) {
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		h := newFakeHub(t)
		h.failing, h.failures = status, 100
		if _, err := impatient(context.Background(), "owner/name"); err == nil || !strings.Contains(err.Error(), "try again later") {
			t.Errorf("got %v, expected status %d and what to do", err, status)
		}
		if h.count("") != 5 {
			t.Errorf("%d requests, expected 5", h.count(""))
		}
		h.failures = 2
		dir, err := impatient(context.Background(), "owner/name")
		if err != nil {
			t.Fatal(err)
		}
		expectSnapshot(t, h, dir)
		before := h.count("")
		h.failures = 1
		if got, err := impatient(context.Background(), "owner/name"); got != dir || err != nil {
			t.Errorf("with a copy: got %s, %v", got, err)
		}
		if h.count("") != before+1 {
			t.Errorf("with a copy: %d requests, expected 1", h.count("")-before)
		}
	}
}

func TestResolveStops(t *testing.T) {
	h := newFakeHub(t)
	h.silent, h.breakAfter = true, 10
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := impatient(ctx, "owner/name"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, expected the context's error", err)
	}
	if _, err := impatient(context.Background(), "owner/name"); err == nil || !strings.Contains(err.Error(), "nothing arrived for") ||
		!strings.Contains(err.Error(), "is there a working connection to http://") {
		t.Errorf("got %v, expected a stalled connection", err)
	}
}

func TestResolveWhatIsNoName(t *testing.T) {
	dir := t.TempDir()
	if got, err := Resolve(context.Background(), dir, nil); got != dir || err != nil {
		t.Errorf("got %s, %v for a directory", got, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(context.Background(), file, nil); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("got %v for a file", err)
	}
	for _, name := range []string{"", "gpt2", "a/b/c", "./a/b", "../b", "/a/b", "a/..", "a/b@", "a/b@../x", "a/b@x/", "a/b@x//y", "a--b/c",
		"a /b", "a/b?c", "-a/b", "a\\b", "a/b\x00", strings.Repeat("a", 200) + "/b", file + "/x"} {
		_, err := Resolve(context.Background(), name, nil)
		if err == nil || !strings.Contains(err.Error(), "no such directory") || !strings.Contains(err.Error(), "owner/name") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestSplitRevision(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("runs/model@v1", 0o777); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][2]string{
		"owner/name": {"owner/name", ""}, "owner/name@v1": {"owner/name", "v1"}, "owner/name@refs/pr/1": {"owner/name", "refs/pr/1"},
		"runs/model@v1": {"runs/model@v1", ""}, "/models/a@b": {"/models/a@b", ""}, "../a@b": {"../a@b", ""}, "": {"", ""},
	} {
		if name, revision := SplitRevision(text); name != want[0] || revision != want[1] {
			t.Errorf("%q: got %q and %q, expected %q", text, name, revision, want)
		}
	}
}

func TestBlobName(t *testing.T) {
	for tag, want := range map[string]string{
		`"abc"`: "abc", `W/"abc-2"`: "abc-2", `abc`: "abc", `"../x"`: "", `""`: "", `"a/b"`: "", `".."`: "", `"x.incomplete"`: "",
		`"` + strings.Repeat("a", 200) + `"`: "",
	} {
		got, err := blobName(http.Header{"Etag": {tag}})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", tag, got, err)
		}
	}
}
