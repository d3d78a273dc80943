package kafka

import (
	"context"
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/atoll-platform/atoll"
)

// failure makes an error of ours of one of the client's.
func failure(op, topic string, err error) error {
	kind, msg := atoll.Failed, "the brokers did not take the message"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return atoll.Wrap(op, err)
	case errors.Is(err, kgo.ErrClientClosed):
		kind, msg = atoll.Unavailable, "the client is closed"
	case errors.Is(err, kgo.ErrMaxBuffered):
		kind, msg = atoll.Overloaded, "too much is waiting to be sent"
	case errors.Is(err, kgo.ErrRecordTimeout):
		kind, msg = atoll.Timeout, "the brokers did not take the message in time"
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		kind, msg = atoll.TooLarge, "the message is larger than the brokers take"
	case errors.Is(err, kerr.InvalidTopicException):
		kind, msg = atoll.Invalid, "the name of the topic is not one"
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		kind, msg = atoll.Reference, "the topic does not exist"
	case refused(err):
		kind, msg = atoll.Denied, "the brokers do not allow it"
	}
	return &atoll.Error{Kind: kind, Op: op, Msg: msg, Subject: atoll.Subject{Type: "topic", ID: topic}, Err: err}
}

// refused says whether trying again is of no use: who we are may not.
func refused(err error) bool {
	for _, e := range []error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.TopicAuthorizationFailed,
		kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// clientLog passes the client's warnings on to the platform's log.
type clientLog struct{ log *slog.Logger }

func (l *clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l *clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	l.log.Warn("Kafka client: "+msg, keyvals...)
}
