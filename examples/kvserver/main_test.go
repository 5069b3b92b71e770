//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/uring-go/uring/file"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const keys = 5000

func value(i int) string { return strings.Repeat(fmt.Sprint(i), i%100) }

// testStore opens a store with values for key0, key1 and so on.
func testStore(t *testing.T) *store {
	t.Helper()
	t.Cleanup(func() { file.Default().Close() })
	name := filepath.Join(t.TempDir(), "data")
	var data strings.Builder
	for i := range keys {
		fmt.Fprintf(&data, "key%d\t%s\n", i, value(i))
	}
	data.WriteString("a line without a tab\nlast\tthe end")
	if err := os.WriteFile(name, []byte(data.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.file.Close() })
	return s
}

func TestServer(t *testing.T) {
	s := testStore(t)
	server := httptest.NewServer(s)
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	get := func(key string) (int, string) {
		resp, err := http.Get(server.URL + "/" + key)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.StatusCode, string(body)
	}
	var wg sync.WaitGroup
	for g := range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := g; i < keys; i += 97 {
				if status, body := get(fmt.Sprint("key", i)); status != 200 || body != value(i) {
					t.Errorf("key %d: %d, %q", i, status, body)
				}
			}
		}()
	}
	wg.Wait()
	if status, body := get("last"); status != 200 || body != "the end" {
		t.Errorf("the last key: %d, %q", status, body)
	}
	if status, _ := get("nobody"); status != 404 {
		t.Errorf("a key that is not there: %d", status)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.get(ctx, "last", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went away: %v", err)
	}
	if _, err := open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("opened what is not there")
	}
}
