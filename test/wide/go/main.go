// A Go client, franz-go, against a node: for every codec, 100,000 records with keys, values that may be
// null, and headers go in and come back, byte for byte; then groups and transactions. usage: go run . HOST:PORT
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const count = 100_000

func record(topic string, number int) *kgo.Record {
	made := &kgo.Record{Topic: topic, Partition: 0}
	if number%3 != 0 {
		made.Key = []byte(fmt.Sprintf("key-%d", number))
	}
	if number%5 != 1 {
		made.Value = bytes.Repeat([]byte(fmt.Sprintf("value %d ", number)), number%7+1)
	}
	if number%4 == 0 {
		made.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte{1, 2}}, {Key: "b"}}
	}
	return made
}

func produce(address, topic string, codec kgo.CompressionCodec) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records := make([]*kgo.Record, 0, count)
	for number := 0; number < count; number++ {
		records = append(records, record(topic, number))
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

func equal(found, wanted *kgo.Record) bool {
	if !bytes.Equal(found.Key, wanted.Key) || (found.Key == nil) != (wanted.Key == nil) ||
		!bytes.Equal(found.Value, wanted.Value) || (found.Value == nil) != (wanted.Value == nil) ||
		len(found.Headers) != len(wanted.Headers) {
		return false
	}
	for i, header := range found.Headers {
		if header.Key != wanted.Headers[i].Key || !bytes.Equal(header.Value, wanted.Headers[i].Value) {
			return false
		}
	}
	return true
}

func consume(address, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for number := 0; number < count; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, found := range fetches.Records() {
			if !equal(found, record(topic, number)) || found.Offset != int64(number) {
				return fmt.Errorf("record %d came back as %v", number, found)
			}
			number++
		}
	}
	return nil
}

func main() {
	address := os.Args[1]
	codecs := []struct {
		name  string
		codec kgo.CompressionCodec
	}{
		{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()},
		{"snappy", kgo.SnappyCompression()}, {"lz4", kgo.Lz4Compression()},
		{"zstd", kgo.ZstdCompression()},
	}
	passed, failed := 0, 0
	tell := func(what string, err error) {
		if err == nil {
			fmt.Printf("ok: %s\n", what)
			passed++
		} else {
			fmt.Printf("FAILED: %s: %v\n", what, err)
			failed++
		}
	}
	for _, each := range codecs {
		topic := "go-" + each.name
		err := produce(address, topic, each.codec)
		if err == nil {
			err = consume(address, topic)
		}
		tell("franz-go with "+each.name, err)
	}
	groupsAndTransactions(address, tell)
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
