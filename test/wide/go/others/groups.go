package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
)

const (
	groupPartitions = 4
	groupRecords    = 400
	groupWait       = 40 * time.Second
)

// Counts of values, from several members at the same time.
type seen struct {
	sync.Mutex
	times map[string]int
}

func (all *seen) add(value []byte) int {
	all.Lock()
	defer all.Unlock()
	all.times[string(value)]++
	return len(all.times)
}

func (all *seen) once() error {
	all.Lock()
	defer all.Unlock()
	for value, times := range all.times {
		if times != 1 {
			return fmt.Errorf("%s came %d times", value, times)
		}
	}
	if len(all.times) != groupRecords {
		return fmt.Errorf("%d values came, not %d", len(all.times), groupRecords)
	}
	return nil
}

func fillTopic(address, topic string) error {
	if err := segmentioCreate(address, topic, groupPartitions); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer([]string{address}, saramaConfig())
	if err != nil {
		return err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, groupRecords)
	for number := range messages {
		messages[number] = &sarama.ProducerMessage{Topic: topic, Partition: int32(number % groupPartitions),
			Value: sarama.StringEncoder(strconv.Itoa(number))}
	}
	return producer.SendMessages(messages)
}

// ---- sarama ----

// One member: what it gets goes to take, which says whether the message is done with.
type saramaMember struct {
	take func(sarama.ConsumerGroupSession, *sarama.ConsumerMessage) error
}

func (*saramaMember) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (member *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			if err := member.take(session, message); err != nil {
				return err
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func saramaGroupConfig() *sarama.Config {
	config := saramaConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	return config
}

// Consumes until the context ends; rebalances are nothing to end for.
func saramaConsume(ctx context.Context, group sarama.ConsumerGroup, topic string, member *saramaMember) error {
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{topic}, member); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// Two members, and what they committed.
func saramaShare(address string) error {
	const topic = "sarama-shared"
	if err := fillTopic(address, topic); err != nil {
		return err
	}
	all := &seen{times: map[string]int{}}
	ctx, cancel := context.WithTimeout(context.Background(), groupWait)
	defer cancel()
	member := &saramaMember{take: func(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) error {
		session.MarkMessage(message, "")
		if all.add(message.Value) == groupRecords {
			session.Commit()
			cancel()
		}
		return nil
	}}
	ended := make(chan error, 2)
	for i := 0; i < 2; i++ {
		group, err := sarama.NewConsumerGroup([]string{address}, topic, saramaGroupConfig())
		if err != nil {
			return err
		}
		defer group.Close()
		go func() { ended <- saramaConsume(ctx, group, topic, member) }()
	}
	for i := 0; i < 2; i++ {
		if err := <-ended; err != nil {
			return err
		}
	}
	admin, err := sarama.NewClusterAdmin([]string{address}, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	described, err := admin.DescribeConsumerGroups([]string{topic})
	if err != nil || len(described) != 1 || described[0].ProtocolType != "consumer" {
		return fmt.Errorf("described as %v: %v", described, err)
	}
	return all.once()
}

// A few messages of the topic's first partition go on in transactions with their offsets; every other one is
// taken back.
func saramaCopy(address string) error {
	const from, to = "sarama-from", "sarama-to"
	if err := fillTopic(address, from); err != nil {
		return err
	}
	if err := segmentioCreate(address, to, 1); err != nil {
		return err
	}
	config := saramaGroupConfig()
	config.Producer.Transaction.ID = "sarama-copy"
	producer, err := sarama.NewSyncProducer([]string{address}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	for number := 0; number < 6; number++ {
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		message := &sarama.ProducerMessage{Topic: to, Value: sarama.StringEncoder(strconv.Itoa(number))}
		if _, _, err := producer.SendMessage(message); err != nil {
			return err
		}
		got := &sarama.ConsumerMessage{Topic: from, Partition: 0, Offset: int64(number)}
		if err := producer.AddMessageToTxn(got, from, nil); err != nil {
			return err
		}
		end := producer.CommitTxn
		if number%2 == 1 {
			end = producer.AbortTxn
		}
		if err := end(); err != nil {
			return err
		}
	}
	return saramaCopied(address, from, to)
}

func saramaCopied(address, group, topic string) error {
	admin, err := sarama.NewClusterAdmin([]string{address}, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	offsets, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{group: {0}})
	if err != nil || offsets.GetBlock(group, 0).Offset != 5 {
		return fmt.Errorf("committed is %v: %v", offsets, err)
	}
	consumer, err := sarama.NewConsumer([]string{address}, saramaGroupConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer partition.Close()
	for _, wanted := range []string{"0", "2", "4"} {
		select {
		case found := <-partition.Messages():
			if string(found.Value) != wanted {
				return fmt.Errorf("%s came, not %s", found.Value, wanted)
			}
		case <-time.After(groupWait):
			return fmt.Errorf("%s did not come", wanted)
		}
	}
	return nil
}

// ---- kafka-go ----

// Two readers of one group.
func segmentioShare(address string) error {
	const topic = "kafka-go-shared"
	if err := fillTopic(address, topic); err != nil {
		return err
	}
	all := &seen{times: map[string]int{}}
	ctx, cancel := context.WithTimeout(context.Background(), groupWait)
	defer cancel()
	ended := make(chan error, 2)
	for i := 0; i < 2; i++ {
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, GroupID: topic, Topic: topic,
			MaxWait: 100 * time.Millisecond, HeartbeatInterval: 200 * time.Millisecond, StartOffset: kafka.FirstOffset})
		defer reader.Close()
		go func() {
			for {
				message, err := reader.ReadMessage(ctx)
				if err != nil {
					ended <- err
					return
				}
				if all.add(message.Value) == groupRecords {
					cancel()
				}
			}
		}()
	}
	for i := 0; i < 2; i++ {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return all.once()
}
