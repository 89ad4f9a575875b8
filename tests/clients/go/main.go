// The franz-go client under test. Commands, all ending with one line on standard output:
//
//	create  BOOTSTRAP TOPIC PARTITIONS
//	produce BOOTSTRAP TOPIC PARTITION        lines from standard input
//	digest  BOOTSTRAP TOPIC PARTITION        "COUNT SHA256" of all payload lines, offsets checked dense
//	group   BOOTSTRAP TOPIC GROUP MAX        reads MAX records in a group and commits, prints COUNT
//	attempts FILE                            see attempts.go
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	commands := map[string]func(context.Context, []string) error{
		"create": create, "produce": produce, "digest": digest, "group": group, "attempts": attempts,
	}
	run, known := commands[os.Args[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "unknown command:", os.Args[1])
		os.Exit(64)
	}
	if err := run(ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func create(ctx context.Context, args []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(args[0]))
	if err != nil {
		return err
	}
	defer client.Close()
	partitions, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	response, err := kadm.NewClient(client).CreateTopic(ctx, int32(partitions), 1, nil, args[1])
	if err != nil {
		return err
	}
	fmt.Println("created", response.Topic)
	return response.Err
}

func produce(ctx context.Context, args []string) error {
	partition, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(args[0]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	failure := make(chan error, 1)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	count := 0
	for lines.Scan() {
		value := append([]byte(nil), lines.Bytes()...)
		record := &kgo.Record{Topic: args[1], Partition: int32(partition), Value: value}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failure <- err:
				default:
				}
			}
		})
		count++
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failure:
		return err
	default:
	}
	fmt.Println("produced", count)
	return lines.Err()
}

func digest(ctx context.Context, args []string) error {
	partition, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	topic := args[1]
	client, err := kgo.NewClient(kgo.SeedBrokers(args[0]), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {int32(partition): kgo.NewOffset().AtStart()},
	}))
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(topic, int32(partition))
	hash := sha256.New()
	next := int64(0)
	for next < end.Offset {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		var gap error
		fetches.EachRecord(func(record *kgo.Record) {
			if record.Offset != next && gap == nil {
				gap = fmt.Errorf("offset %d where %d was due", record.Offset, next)
			}
			hash.Write(record.Value)
			hash.Write([]byte{'\n'})
			next++
		})
		if gap != nil {
			return gap
		}
	}
	fmt.Printf("%d %x\n", next, hash.Sum(nil))
	return nil
}

func group(ctx context.Context, args []string) error {
	want, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(args[0]), kgo.ConsumeTopics(args[1]), kgo.ConsumerGroup(args[2]),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	count := 0
	for count < want {
		fetches := client.PollRecords(ctx, want-count)
		if err := fetches.Err(); err != nil {
			return err
		}
		count += fetches.NumRecords()
	}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	fmt.Println(count)
	return nil
}
