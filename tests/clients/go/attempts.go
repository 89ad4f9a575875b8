package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

var versions = map[string]uint16{"1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// attempts connects with what it is given, produces a record and reads it back; attempts and what is printed of them
// are those of tests/clients/python/secured.py.
func attempts(ctx context.Context, args []string) error {
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	outcomes := make([]string, len(lines))
	var all sync.WaitGroup
	for i, line := range lines {
		attempt := make(map[string]string)
		for _, field := range strings.Split(line, "\t") {
			key, value, _ := strings.Cut(field, "=")
			attempt[key] = value
		}
		all.Add(1)
		go func() {
			defer all.Done()
			outcomes[i] = attempt["name"] + "\t" + outcome(ctx, attempt)
		}()
	}
	all.Wait()
	fmt.Println(strings.Join(outcomes, "\n"))
	return nil
}

func outcome(ctx context.Context, attempt map[string]string) string {
	options, err := options(attempt)
	if err != nil {
		return err.Error()
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	// It tries for ever where it is not told why it is not served.
	hurried, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := client.Ping(hurried); err != nil {
		return reason(err)
	}
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: attempt["topic"], Value: []byte("from franz-go")}).FirstErr(); err != nil {
		return err.Error()
	}
	if err := client.PollFetches(ctx).Err(); err != nil {
		return err.Error()
	}
	return "ok"
}

func reason(err error) string {
	var alert tls.AlertError
	var untrusted *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	switch {
	// Of a token's refusal it knows only that there is one.
	case errors.Is(err, kerr.SaslAuthenticationFailed), strings.Contains(err.Error(), "oauth response"):
		return "credentials"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "mechanism"
	case errors.As(err, &alert), errors.As(err, &untrusted), errors.As(err, &header), strings.Contains(err.Error(), "remote error: tls"):
		return "tls"
	default:
		return "closed"
	}
}

func options(attempt map[string]string) ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(attempt["bootstrap"]),
		kgo.RequestRetries(0),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{attempt["topic"]: {0: kgo.NewOffset().AtStart()}}),
	}
	if strings.Contains(attempt["protocol"], "SSL") {
		config, err := encryption(attempt)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if name, proves := attempt["mechanism"]; proves {
		options = append(options, kgo.SASL(mechanism(name, attempt["user"], attempt["secret"])))
	}
	return options, nil
}

func mechanism(name, user, secret string) sasl.Mechanism {
	switch name {
	case "PLAIN":
		return plain.Auth{User: user, Pass: secret}.AsMechanism()
	case "OAUTHBEARER":
		return oauth.Auth{Token: secret}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: secret}.AsSha256Mechanism()
	default:
		return scram.Auth{User: user, Pass: secret}.AsSha512Mechanism()
	}
}

func encryption(attempt map[string]string) (*tls.Config, error) {
	issuers, err := os.ReadFile(attempt["ca"])
	if err != nil {
		return nil, err
	}
	version := versions[attempt["tls"]]
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: version, MaxVersion: version}
	config.RootCAs.AppendCertsFromPEM(issuers)
	if _, weak := attempt["weak"]; weak {
		config.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}
	if file, proves := attempt["identity"]; proves {
		identity, err := tls.LoadX509KeyPair(file, file)
		if err != nil {
			return nil, err
		}
		// Also where the broker would rather have another issuer's.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &identity, nil }
	}
	return config, nil
}
