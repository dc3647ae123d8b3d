package hub

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// A client speaks with one hub.
type client struct {
	endpoint, token, cache string
	offline                bool
	progress               func(file string, done, total int64)
	transport              http.RoundTripper

	// attempts is how often a file is tried; the wait before the next one is pause, and doubles.
	attempts int
	pause    time.Duration
	// stall is how long a connection may stay silent.
	stall time.Duration
}

// newClient reads the environment.
func newClient(progress func(file string, done, total int64)) (*client, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	endpoint := strings.TrimRight(os.Getenv("HF_ENDPOINT"), "/")
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return nil, fmt.Errorf("HF_ENDPOINT is %q, expected an address like https://huggingface.co", endpoint)
	}
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	return &client{
		endpoint: endpoint, token: strings.TrimSpace(os.Getenv("HF_TOKEN")), cache: cache,
		offline: isTrue(os.Getenv("HF_HUB_OFFLINE")), progress: progress, transport: transport,
		attempts: 5, pause: time.Second, stall: time.Minute,
	}, nil
}

// isTrue reads a variable as Hugging Face's library does.
func isTrue(value string) bool {
	switch strings.ToUpper(value) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// maxListing bounds the description of a repository: a hundred thousand files fit.
const maxListing = 32 << 20

// A listing is what the hub says about a revision.
type listing struct {
	commit string
	files  []string
}

// list asks for the commit and the files of a revision.
func (c *client) list(ctx context.Context, repo repository) (listing, error) {
	address := fmt.Sprintf("%s/api/models/%s/revision/%s", c.endpoint, repo.id(), url.PathEscape(repo.revision))
	response, err := c.get(ctx, address, 0)
	if err != nil {
		return listing{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxListing))
	if err != nil {
		return listing{}, err
	}
	var answer struct {
		Commit string `json:"sha"`
		Files  []struct {
			Name string `json:"rfilename"`
		} `json:"siblings"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || !commitPattern.MatchString(answer.Commit) {
		return listing{}, &statusError{status: response.StatusCode,
			text: fmt.Sprintf("%s did not answer with a list of files: is HF_ENDPOINT right?", address)}
	}
	result := listing{commit: answer.Commit}
	for _, file := range answer.Files {
		result.files = append(result.files, file.Name)
	}
	return result, nil
}

// retry calls attempt until it succeeds, c.attempts times at most and only as long as again says of its error that trying again may
// help. The wait in between doubles.
func (c *client) retry(ctx context.Context, attempt func() error, again func(error) bool) error {
	pause := c.pause
	for left := c.attempts - 1; ; left-- {
		err := attempt()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case left == 0 || !again(err):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// linkedETag is the header in which the hub gives the hash of a large file before it redirects to where the file lies.
const linkedETag = "X-Linked-Etag"

// get asks for address from byte offset on. The headers of redirects on the way that tell of the file are put into those
// of the response. The token goes to the hub alone: net/http drops it when a redirect leads to another host.
func (c *client) get(ctx context.Context, address string, offset int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "smt")
	// A compressed answer would have neither the length nor the ETag of the file.
	request.Header.Set("Accept-Encoding", "identity")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	hash := ""
	redirecting := &http.Client{Transport: c.transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return errRedirects
		}
		if hash == "" {
			hash = next.Response.Header.Get(linkedETag)
		}
		return nil
	}}
	response, err := redirecting.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusPartialContent {
		defer response.Body.Close()
		return nil, newStatusError(response)
	}
	if hash != "" {
		response.Header.Set(linkedETag, hash)
	}
	return response, nil
}

// A statusError is an answer of the hub that is not the file.
type statusError struct {
	status int
	// code and text are the hub's X-Error-Code and X-Error-Message.
	code, text string
}

func newStatusError(response *http.Response) *statusError {
	return &statusError{
		status: response.StatusCode,
		code:   response.Header.Get("X-Error-Code"),
		text:   fmt.Sprintf("%.300s", response.Header.Get("X-Error-Message")),
	}
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the hub answered %d %s", e.status, http.StatusText(e.status))
	if e.text != "" {
		text += fmt.Sprintf(": %s", e.text)
	}
	return text
}

// isTransient reports whether trying again may help: for a broken connection, and where the hub says so.
func isTransient(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		switch status.status {
		case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusRequestedRangeNotSatisfiable:
			return true
		}
		return status.status >= 500
	}
	var local localError
	return !errors.As(err, &local)
}

// errRedirects ends a chase round a circle.
var errRedirects = errors.New("more than 10 redirects")

// isUnreachable reports whether there is no way to the hub: no network, no such host, nobody who answers there or someone who is not the
// hub, or a network that sends everyone to its login.
func isUnreachable(err error) bool {
	var (
		broken   *net.OpError
		stranger *tls.CertificateVerificationError
	)
	return errors.As(err, &broken) && broken.Op == "dial" || errors.As(err, &stranger) || errors.Is(err, errRedirects)
}

// A localError comes from the disk here, and does not get better by asking the hub again.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// explain says what to do about an answer of the hub.
func (c *client) explain(err error, repo repository) error {
	var status *statusError
	if !errors.As(err, &status) {
		if isTransient(err) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%w; is there a working connection to %s?", err, c.endpoint)
		}
		return err
	}
	switch {
	case status.code == "GatedRepo":
		return fmt.Errorf("%w; ask for access on %s/%s, then set HF_TOKEN to a token of your account", err, c.endpoint, repo.id())
	case status.code == "RevisionNotFound":
		return fmt.Errorf("%w; the repository has no revision %q", err, repo.revision)
	case status.status == http.StatusUnauthorized && c.token == "":
		return fmt.Errorf("%w; the repository does not exist, or is private or gated: set HF_TOKEN to a token that may read it",
			err)
	case status.status == http.StatusUnauthorized, status.status == http.StatusForbidden:
		return fmt.Errorf("%w; the token in HF_TOKEN may not read this repository", err)
	case status.status == http.StatusNotFound:
		return fmt.Errorf("%w; %s has no such repository, or the token may not see it", err, c.endpoint)
	case isTransient(err):
		return fmt.Errorf("%w; try again later", err)
	}
	return err
}
