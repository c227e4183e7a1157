// Go's other clients, sarama and segmentio's kafka-go, against a node: each writes the records of
// test/lib/records.py with every codec, each reads what each wrote, and each asks about topics; then groups and
// transactions.
// usage: others HOST:PORT COUNT; see read_back.py for what is printed.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

const firstTimestamp = 1_700_000_000_000

type header struct {
	key   string
	value []byte
}

type record struct {
	offset, timestamp int64
	key, value        []byte
	headers           []header
}

func recordOf(number int) record {
	made := record{offset: int64(number), timestamp: firstTimestamp + int64(number)}
	if number%3 != 0 {
		made.key = []byte(fmt.Sprintf("key-%d", number))
	}
	if number%15 != 1 && number%15 != 11 {
		made.value = bytes.Repeat([]byte(fmt.Sprintf("value %d ", number)), number%7+1)
	}
	if number%4 == 0 {
		made.headers = []header{{"a", []byte(strconv.Itoa(number))}, {"a", []byte{0, 255}}, {"b", []byte{}}}
	}
	return made
}

func same(found, wanted []byte) bool {
	return bytes.Equal(found, wanted) && (found == nil) == (wanted == nil)
}

func check(found record, number int) error {
	wanted := recordOf(number)
	equal := found.offset == wanted.offset && found.timestamp == wanted.timestamp &&
		same(found.key, wanted.key) && same(found.value, wanted.value) &&
		len(found.headers) == len(wanted.headers)
	for i := 0; equal && i < len(wanted.headers); i++ {
		equal = found.headers[i].key == wanted.headers[i].key &&
			bytes.Equal(found.headers[i].value, wanted.headers[i].value)
	}
	if !equal {
		return fmt.Errorf("record %d came back as %v, not %v", number, found, wanted)
	}
	return nil
}

type client struct {
	name  string
	write func(address, topic, codec string, count int) error
	read  func(address, topic string, count int) error
	admin func(address string) error
}

var clients = []client{
	{"sarama", saramaWrite, saramaRead, saramaAdmin},
	{"kafka-go", segmentioWrite, segmentioRead, segmentioAdmin},
}

func writeAndRead(writer client, address, codec string, count int) error {
	topic := writer.name + "-" + codec
	if err := writer.write(address, topic, codec, count); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	for _, reader := range clients {
		if err := reader.read(address, topic, count); err != nil {
			return fmt.Errorf("read by %s: %w", reader.name, err)
		}
	}
	return nil
}

func main() {
	address := os.Args[1]
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	failed := 0
	tell := func(what string, err error) {
		if err != nil {
			fmt.Printf("FAILED: %s: %v\n", what, err)
			failed++
		} else {
			fmt.Printf("ok: %s\n", what)
		}
	}
	for _, each := range clients {
		tell(each.name+" as admin", each.admin(address))
		for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
			err := writeAndRead(each, address, codec, count)
			tell(each.name+" with "+codec+", read by both", err)
			if err == nil {
				fmt.Printf("wrote %s-%s %s\n", each.name, codec, codec)
			}
		}
	}
	tell("sarama in a group", saramaShare(address))
	tell("sarama's transactions with offsets", saramaCopy(address))
	tell("kafka-go in a group", segmentioShare(address))
	if failed > 0 {
		os.Exit(1)
	}
}
