package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

func segmentioClient(address string) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(address), Timeout: 20 * time.Second}
}

func segmentioCreate(address, topic string, partitions int) error {
	made, err := segmentioClient(address).CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1,
			ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "-1"}}}}})
	if err != nil {
		return err
	}
	return made.Errors[topic]
}

func segmentioWrite(address, topic, codec string, count int) error {
	if err := segmentioCreate(address, topic, 1); err != nil {
		return err
	}
	writer := &kafka.Writer{Addr: kafka.TCP(address), Topic: topic, RequiredAcks: kafka.RequireAll,
		BatchSize: 5_000, BatchTimeout: 20 * time.Millisecond}
	if codec != "none" {
		if err := writer.Compression.UnmarshalText([]byte(codec)); err != nil {
			return err
		}
	}
	messages := make([]kafka.Message, 0, count)
	for number := 0; number < count; number++ {
		from := recordOf(number)
		made := kafka.Message{Key: from.key, Value: from.value, Time: time.UnixMilli(from.timestamp)}
		for _, each := range from.headers {
			made.Headers = append(made.Headers, kafka.Header{Key: each.key, Value: each.value})
		}
		messages = append(messages, made)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(writer.WriteMessages(ctx, messages...), writer.Close())
}

func segmentioRead(address, topic string, count int) error {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, Topic: topic, Partition: 0,
		MinBytes: 1, MaxBytes: 10_000_000, MaxWait: time.Second})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for number := 0; number < count; number++ {
		from, err := reader.ReadMessage(ctx)
		if err != nil {
			return err
		}
		found := record{offset: from.Offset, timestamp: from.Time.UnixMilli(), key: from.Key, value: from.Value}
		for _, each := range from.Headers {
			found.headers = append(found.headers, header{each.Key, each.Value})
		}
		if err := check(found, number); err != nil {
			return err
		}
	}
	return nil
}

func segmentioAdmin(address string) error {
	if err := segmentioCreate(address, "segmentio", 3); err != nil {
		return err
	}
	if err := segmentioCreate(address, "segmentio", 3); !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("a topic made twice: %v", err)
	}
	client, ctx := segmentioClient(address), context.Background()
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{"segmentio"}})
	if err != nil || len(metadata.Topics) != 1 || len(metadata.Topics[0].Partitions) != 3 {
		return fmt.Errorf("described as %v: %v", metadata, err)
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		"segmentio": {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
	if err != nil || offsets.Topics["segmentio"][0].LastOffset != 0 {
		return fmt.Errorf("offsets %v: %v", offsets, err)
	}
	configs, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: "segmentio", ConfigNames: []string{"retention.ms"}}}})
	if err != nil || len(configs.Resources) != 1 || configs.Resources[0].ConfigEntries[0].ConfigValue != "-1" {
		return fmt.Errorf("configured as %v: %v", configs, err)
	}
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{"segmentio"}})
	if err != nil {
		return err
	}
	return deleted.Errors["segmentio"]
}
