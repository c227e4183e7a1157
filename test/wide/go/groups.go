package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	groupPartitions = 6
	groupRecords    = 600
)

func newClient(address string, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address), kgo.FetchMaxWait(100 * time.Millisecond)}, options...)...)
}

// A topic with a value of its own in each record.
func fill(ctx context.Context, address, topic string) error {
	client, err := newClient(address, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, groupPartitions, 1, nil, topic); err != nil {
		return err
	}
	records := make([]*kgo.Record, groupRecords)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i % groupPartitions), Value: []byte(fmt.Sprint(i))}
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// What came, by value: how often.
type seen map[string]int

func (all seen) once() error {
	for value, times := range all {
		if times != 1 {
			return fmt.Errorf("%s came %d times", value, times)
		}
	}
	if len(all) != groupRecords {
		return fmt.Errorf("%d records came, not %d", len(all), groupRecords)
	}
	return nil
}

func joined(address, topic, group string, more ...kgo.Opt) (*kgo.Client, error) {
	return newClient(address, append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(5 * time.Second),
		kgo.HeartbeatInterval(200 * time.Millisecond), kgo.DisableAutoCommit()}, more...)...)
}

// Until the group's members have as many partitions as told, in order; nobody may fail meanwhile.
func untilShares(ctx context.Context, admin *kadm.Client, group string, wanted ...int) error {
	for ctx.Err() == nil {
		described, err := admin.DescribeGroups(ctx, group)
		if err == nil && described[group].State == "Stable" {
			var shares []int
			for _, member := range described[group].Members {
				if assigned, ok := member.Assigned.AsConsumer(); ok {
					count := 0
					for _, topic := range assigned.Topics {
						count += len(topic.Partitions)
					}
					shares = append(shares, count)
				}
			}
			sort.Ints(shares)
			if fmt.Sprint(shares) == fmt.Sprint(wanted) {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the group never had shares of %v", wanted)
}

// Members of one group that hands partitions over cooperatively: three, then two.
func share(ctx context.Context, address string) error {
	if err := fill(ctx, address, "go-shared"); err != nil {
		return err
	}
	var members []*kgo.Client
	var admin *kadm.Client
	for i := 0; i < 3; i++ {
		member, err := joined(address, "go-shared", "go-shared", kgo.Balancers(kgo.CooperativeStickyBalancer()))
		if err != nil {
			return err
		}
		defer member.Close()
		members = append(members, member)
		admin = kadm.NewClient(member)
	}
	if err := untilShares(ctx, admin, "go-shared", 2, 2, 2); err != nil {
		return err
	}
	all := seen{}
	poll := func(from []*kgo.Client) error {
		for _, member := range from {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			fetches := member.PollFetches(short)
			cancel()
			fetches.EachRecord(func(record *kgo.Record) { all[string(record.Value)]++ })
			if err := member.CommitUncommittedOffsets(ctx); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	for len(all) < groupRecords {
		if err := poll(members); err != nil {
			return err
		}
	}
	members[0].Close()
	if err := untilShares(ctx, admin, "go-shared", 3, 3); err != nil {
		return err
	}
	if err := poll(members[1:]); err != nil {
		return err
	}
	return all.once()
}

// kadm: what the group has, and what may be done to it.
func administer(ctx context.Context, address string) error {
	client, err := newClient(address)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	lags, err := admin.Lag(ctx, "go-shared")
	shared := lags["go-shared"]
	if err != nil || shared.Error() != nil || shared.Lag.Total() != 0 {
		return fmt.Errorf("lag %v: %v", lags, err)
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset("go-shared", 0, 7, -1)
	if done, err := admin.CommitOffsets(ctx, "go-simple", offsets); err != nil || done.Error() != nil {
		return fmt.Errorf("commit: %v %v", done, err)
	}
	found, err := admin.FetchOffsets(ctx, "go-simple")
	if at, ok := found.Lookup("go-shared", 0); err != nil || !ok || at.At != 7 {
		return fmt.Errorf("offsets %v: %v", found, err)
	}
	listed, err := admin.ListGroups(ctx)
	if err != nil || len(listed) < 2 {
		return fmt.Errorf("groups %v: %v", listed, err)
	}
	if done, err := admin.DeleteGroups(ctx, "go-simple", "go-shared"); err != nil || done.Error() != nil {
		return fmt.Errorf("delete: %v %v", done, err)
	}
	return nil
}

// Everything of one topic goes to another in transactions, every third of which is taken back and done again.
func copyAll(ctx context.Context, address string) error {
	if err := fill(ctx, address, "go-from"); err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(address), kgo.TransactionalID("go-copy"),
		kgo.ConsumerGroup("go-copy"), kgo.ConsumeTopics("go-from"), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("go-to"), kgo.RequireStableFetchOffsets())
	if err != nil {
		return err
	}
	defer session.Close()
	copied := 0
	for turn := 0; copied < groupRecords; turn++ {
		fetches := session.PollRecords(ctx, 100)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Value: record.Value}, nil)
		})
		committed, err := session.End(ctx, kgo.TransactionEndTry(turn%3 != 2))
		if err != nil {
			return err
		}
		if committed {
			copied += fetches.NumRecords()
		}
	}
	return readCommitted(ctx, address)
}

func readCommitted(ctx context.Context, address string) error {
	reader, err := newClient(address, kgo.ConsumeTopics("go-to"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer reader.Close()
	all, count := seen{}, 0
	for count < groupRecords {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) { all[string(record.Value)]++ })
		count += fetches.NumRecords()
	}
	return all.once()
}

// A producer's transactions, one of which is open, as kadm tells and ends them.
func transact(ctx context.Context, address string) error {
	client, err := newClient(address, kgo.TransactionalID("go-open"), kgo.AllowAutoTopicCreation(),
		kgo.DefaultProduceTopic("go-open"))
	if err != nil {
		return err
	}
	defer client.Close()
	for _, how := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		if err := client.ProduceSync(ctx, kgo.StringRecord("of a transaction")).FirstErr(); err != nil {
			return err
		}
		if err := client.EndTransaction(ctx, how); err != nil {
			return err
		}
	}
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord("open")).FirstErr(); err != nil {
		return err
	}
	admin := kadm.NewClient(client)
	listed, err := admin.ListTransactions(ctx, nil, []string{"Ongoing"})
	if err != nil || listed["go-open"].State != "Ongoing" {
		return fmt.Errorf("listed %v: %v", listed, err)
	}
	described, err := admin.DescribeTransactions(ctx, "go-open")
	if err != nil || described["go-open"].Err != nil || len(described["go-open"].Topics["go-open"]) != 1 {
		return fmt.Errorf("described %v: %v", described, err)
	}
	var topics kadm.TopicsSet
	topics.Add("go-open", 0)
	producers, err := admin.DescribeProducers(ctx, topics)
	if err != nil || len(producers.SortedProducers()) != 1 || producers.SortedProducers()[0].CurrentTxnStartOffset < 0 {
		return fmt.Errorf("producers %v: %v", producers, err)
	}
	return client.EndTransaction(ctx, kgo.TryCommit)
}

func groupsAndTransactions(address string, tell func(what string, err error)) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shared := share(ctx, address)
	tell("franz-go in a cooperative group", shared)
	if shared == nil {
		tell("kadm and groups", administer(ctx, address))
	} else {
		tell("kadm and groups", errors.New("there is none"))
	}
	tell("franz-go copies in transactions", copyAll(ctx, address))
	tell("kadm and transactions", transact(ctx, address))
}
