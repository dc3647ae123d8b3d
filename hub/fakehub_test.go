package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const testCommit = "0123456789abcdef0123456789abcdef01234567"

// A fakeHub serves one repository, owner/name, as huggingface.co does: small files by itself with git's hash as ETag, large
// ones by a redirect that gives their SHA-256 sum.
type fakeHub struct {
	t     *testing.T
	files map[string]string
	// token is what the repository asks for, "" for a public one.
	token string
	// breakAfter breaks the connection after so many bytes of an answer with weights, for the first breaks answers.
	breakAfter, breaks int
	// corrupt changes the last byte of weights, for the first corrupts answers.
	corrupts int
	// silent never ends an answer with weights.
	silent bool
	// failing is a status that the first failures requests are answered with.
	failing, failures int

	server, storage *httptest.Server
	mu              sync.Mutex
	requests        []string
}

func newFakeHub(t *testing.T) *fakeHub {
	h := &fakeHub{t: t, files: map[string]string{
		"config.json": "{}", "tokenizer.json": strings.Repeat("t", 1000), "tokenizer_config.json": "{}", "README.md": "no",
		"model.safetensors": strings.Repeat("0123456789", 10_000), "pytorch_model.bin": "no", "onnx/config.json": "no",
		"consolidated.safetensors": "no", "model-00001-of-00002.safetensors": "no", "LICENSE": "free",
	}}
	h.server = httptest.NewServer(http.HandlerFunc(h.serve))
	h.storage = httptest.NewServer(http.HandlerFunc(h.serveStorage))
	t.Cleanup(h.server.Close)
	t.Cleanup(h.storage.Close)
	for _, variable := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"} {
		t.Setenv(variable, "")
	}
	t.Setenv("HF_ENDPOINT", h.server.URL+"/")
	t.Setenv("HF_HOME", t.TempDir())
	return h
}

func (h *fakeHub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests = append(h.requests, r.Method+" "+r.URL.Path)
	failing := h.failures > 0
	h.failures--
	h.mu.Unlock()
	refuse := func(status int, code, message string) {
		w.Header().Set("X-Error-Code", code)
		w.Header().Set("X-Error-Message", message)
		w.WriteHeader(status)
	}
	authorization := r.Header.Get("Authorization")
	switch {
	case failing:
		refuse(h.failing, "", "busy")
		return
	case !strings.Contains(r.URL.Path, "owner/name"):
		if authorization == "" {
			refuse(http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
		} else {
			refuse(http.StatusNotFound, "RepoNotFound", "Repository not found")
		}
		return
	case h.token != "" && authorization == "":
		refuse(http.StatusUnauthorized, "GatedRepo", "Access to model owner/name is restricted.")
		return
	case h.token != "" && authorization != "Bearer "+h.token:
		refuse(http.StatusForbidden, "", "Forbidden")
		return
	}
	if r.URL.Path == "/api/models/owner/name/revision/main" || r.URL.Path == "/api/models/owner/name/revision/refs/pr/1" {
		type sibling struct {
			Name string `json:"rfilename"`
		}
		answer := struct {
			Commit string    `json:"sha"`
			Files  []sibling `json:"siblings"`
		}{Commit: testCommit}
		for name := range h.files {
			answer.Files = append(answer.Files, sibling{name})
		}
		json.NewEncoder(w).Encode(answer)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/owner/name/resolve/"+testCommit+"/")
	if !ok {
		refuse(http.StatusNotFound, "RevisionNotFound", "Invalid rev id")
		return
	}
	content, ok := h.files[name]
	if !ok {
		refuse(http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	if strings.HasSuffix(name, ".safetensors") {
		w.Header().Set("X-Linked-Etag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256([]byte(content)))))
		w.Header().Set("ETag", `"of-the-redirect"`)
		http.Redirect(w, r, strings.Replace(h.storage.URL, "127.0.0.1", "localhost", 1)+"/"+name, http.StatusFound)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha1.Sum([]byte(fmt.Sprintf("blob %d\x00%s", len(content), content))))))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
}

// serveStorage is the other host, where large files lie.
func (h *fakeHub) serveStorage(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, "storage "+r.Header.Get("Range"))
	if r.Header.Get("Authorization") != "" {
		h.t.Error("the token went to another host")
	}
	content := []byte(h.files[strings.TrimPrefix(r.URL.Path, "/")])
	if h.corrupts > 0 {
		h.corrupts--
		content[len(content)-1] ^= 1
	}
	w.Header().Set("ETag", `"of-the-storage"`)
	if h.breaks == 0 && !h.silent {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
		return
	}
	start, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"))
	w.Header().Set("Content-Length", strconv.Itoa(len(content)-start))
	if start > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(content[start : start+h.breakAfter])
	w.(http.Flusher).Flush()
	if h.silent {
		<-r.Context().Done()
	}
	h.breaks--
	panic(http.ErrAbortHandler)
}

// count tells how many requests begin with prefix.
func (h *fakeHub) count(prefix string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, request := range h.requests {
		if strings.HasPrefix(request, prefix) {
			n++
		}
	}
	return n
}
