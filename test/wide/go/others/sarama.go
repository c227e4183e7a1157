package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Flush.Messages = 5_000
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	return config
}

func saramaMessage(topic string, number int) *sarama.ProducerMessage {
	from := recordOf(number)
	made := &sarama.ProducerMessage{Topic: topic, Partition: 0, Timestamp: time.UnixMilli(from.timestamp)}
	if from.key != nil {
		made.Key = sarama.ByteEncoder(from.key)
	}
	if from.value != nil {
		made.Value = sarama.ByteEncoder(from.value)
	}
	for _, each := range from.headers {
		made.Headers = append(made.Headers, sarama.RecordHeader{Key: []byte(each.key), Value: each.value})
	}
	return made
}

func saramaWrite(address, topic, codec string, count int) error {
	config := saramaConfig()
	if err := config.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer([]string{address}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, 0, count)
	for number := 0; number < count; number++ {
		messages = append(messages, saramaMessage(topic, number))
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	for number, message := range messages {
		if message.Offset != int64(number) {
			return fmt.Errorf("record %d was acknowledged at offset %d", number, message.Offset)
		}
	}
	return nil
}

func saramaRecord(from *sarama.ConsumerMessage) record {
	made := record{offset: from.Offset, timestamp: from.Timestamp.UnixMilli(), key: from.Key, value: from.Value}
	for _, each := range from.Headers {
		made.headers = append(made.headers, header{string(each.Key), each.Value})
	}
	return made
}

func saramaRead(address, topic string, count int) error {
	consumer, err := sarama.NewConsumer([]string{address}, saramaConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer partition.Close()
	for number := 0; number < count; number++ {
		select {
		case found := <-partition.Messages():
			if err := check(saramaRecord(found), number); err != nil {
				return err
			}
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%d records, then none for 20 s", number)
		}
	}
	return nil
}

func saramaAdmin(address string) error {
	admin, err := sarama.NewClusterAdmin([]string{address}, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	value := "3600000"
	detail := &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"retention.ms": &value}}
	if err := admin.CreateTopic("sarama", detail, false); err != nil {
		return err
	}
	if err := admin.CreateTopic("sarama", detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("a topic made twice: %v", err)
	}
	topics, err := admin.ListTopics()
	if err != nil {
		return err
	}
	made, found := topics["sarama"]
	if !found || made.NumPartitions != 3 || *made.ConfigEntries["retention.ms"] != value {
		return fmt.Errorf("listed as %v", topics)
	}
	described, err := admin.DescribeTopics([]string{"sarama"})
	if err != nil || len(described) != 1 || len(described[0].Partitions) != 3 {
		return fmt.Errorf("described as %v: %v", described, err)
	}
	if brokers, _, err := admin.DescribeCluster(); err != nil || len(brokers) != 1 {
		return fmt.Errorf("brokers %v: %v", brokers, err)
	}
	return admin.DeleteTopic("sarama")
}
