package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
	// maxIndex bounds the index as the format bounds the header: it holds the same names.
	maxIndex = maxHeader
)

// index is the content of model.safetensors.index.json.
type index struct {
	// shardOf maps the name of each tensor to the name of the file that holds it.
	shardOf map[string]string
	// totalSize is the bytes of all tensors, or -1 if the index does not say.
	totalSize int64
}

// parseIndex reads {"metadata": {"total_size": n}, "weight_map": {tensor: file}}. Other keys are allowed, since they
// only describe the model.
func parseIndex(data []byte) (index, error) {
	result := index{totalSize: -1}
	decoder, err := newDecoder(data)
	if err != nil {
		return result, err
	}
	err = readObject(decoder, func(key string) (err error) {
		switch key {
		case "weight_map":
			err = result.parseWeightMap(decoder)
		case "metadata":
			err = result.parseIndexMetadata(decoder)
		default:
			return skipValue(decoder)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err == nil && len(result.shardOf) == 0 {
		err = errors.New("weight_map: lists no tensor")
	}
	return result, err
}

func (x *index) parseWeightMap(decoder *json.Decoder) error {
	x.shardOf = make(map[string]string)
	return readObject(decoder, func(tensor string) error {
		shard, err := readString(decoder)
		if err == nil {
			err = checkShardName(shard)
		}
		if err != nil {
			return fmt.Errorf("tensor %q: %w", tensor, err)
		}
		x.shardOf[tensor] = shard
		return nil
	})
}

// checkShardName allows only the plain name of a safetensors file, which cannot lead out of the model's directory.
func checkShardName(name string) error {
	switch {
	case name == "" || strings.ContainsAny(name, `/\:`) || !filepath.IsLocal(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("shard %.80q is not the name of a file in the model's directory", name)
	case strings.TrimSuffix(name, ".safetensors") == name:
		return fmt.Errorf("shard %.80q is not a .safetensors file", name)
	}
	return nil
}

func (x *index) parseIndexMetadata(decoder *json.Decoder) error {
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	if string(raw) == "null" {
		return nil
	}
	inner, err := newDecoder(raw)
	if err != nil {
		return err
	}
	return readObject(inner, func(key string) error {
		if key != "total_size" {
			return skipValue(inner)
		}
		// Some writers store the number as a float.
		var size float64
		if err := inner.Decode(&size); err != nil {
			return fmt.Errorf("total_size: %w", err)
		}
		if size < 0 || size >= 1<<53 || size != math.Trunc(size) {
			return fmt.Errorf("total_size: expected a whole number of bytes, got %g", size)
		}
		x.totalSize = int64(size)
		return nil
	})
}
