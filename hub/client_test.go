package hub

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestStranger: whoever answers under the hub's name with a certificate that nobody vouches for is not asked a second time.
func TestStranger(t *testing.T) {
	newFakeHub(t)
	var asked atomic.Int64
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	t.Setenv("HF_ENDPOINT", stranger.URL)
	c, err := newClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.transport = counted{c.transport, &asked}
	c.pause = 0
	repo, _ := parseName("owner/name")
	_, err = c.resolve(context.Background(), repo)
	if err == nil || !strings.Contains(err.Error(), "certificate") || !strings.Contains(err.Error(), "is there a working connection to https://") {
		t.Errorf("got %v, expected the certificate and what to do", err)
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times, expected once", asked.Load())
	}
}

// counted counts the requests of a transport.
type counted struct {
	http.RoundTripper
	requests *atomic.Int64
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.RoundTripper.RoundTrip(r)
}
