// The AWS SDK for Go v2, called by `walk.py`: a line of JSON in, one out; `client.py` describes
// them.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

type where struct {
	Endpoint        string `json:"endpoint"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token"`
}

type asked struct {
	where
	Operation string          `json:"operation"`
	Members   json.RawMessage `json:"members"`
}

type answer struct {
	Output   interface{} `json:"output,omitempty"`
	Lacks    string      `json:"lacks,omitempty"`
	Code     string      `json:"code,omitempty"`
	Message  string      `json:"message"`
	Class    string      `json:"class,omitempty"`
	Status   int         `json:"status,omitempty"`
	Attempts int         `json:"attempts,omitempty"`
}

var clients = map[where]*kms.Client{}

func client(to where) *kms.Client {
	if clients[to] == nil {
		clients[to] = kms.New(kms.Options{
			Region:           to.Region,
			EndpointResolver: kms.EndpointResolverFromURL(to.Endpoint),
			Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(
				to.AccessKeyID, to.SecretAccessKey, to.SessionToken)),
		})
	}
	return clients[to]
}

// Every operation is a method of the client: (context, *Input, ...options) (*Output, error).
func call(ask asked) answer {
	method := reflect.ValueOf(client(ask.where)).MethodByName(ask.Operation)
	if !method.IsValid() {
		return answer{Lacks: "no operation " + ask.Operation}
	}
	input := reflect.New(method.Type().In(1).Elem())
	members := json.NewDecoder(bytes.NewReader(ask.Members))
	members.DisallowUnknownFields()
	if err := members.Decode(input.Interface()); err != nil {
		return answer{Lacks: err.Error()}
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), input})
	if err, failed := results[1].Interface().(error); failed {
		return refused(err)
	}
	metadata := results[0].Elem().FieldByName("ResultMetadata").Interface().(middleware.Metadata)
	attempts, _ := retry.GetAttemptResults(metadata)
	return answer{Output: results[0].Interface(), Attempts: len(attempts.Results)}
}

func refused(err error) answer {
	told := answer{Message: err.Error(), Attempts: 1}
	var tried *retry.MaxAttemptsError
	if errors.As(err, &tried) {
		told.Attempts = tried.Attempt
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		told.Status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		told.Code, told.Message = api.ErrorCode(), api.ErrorMessage()
		if told.Message == "UnknownError" {
			// What the SDK says where the service says nothing.
			told.Message = ""
		}
		told.Class = reflect.TypeOf(api).Elem().Name()
	} else {
		told.Lacks = err.Error()
	}
	return told
}

func main() {
	say := json.NewEncoder(os.Stdout)
	say.Encode(map[string]interface{}{
		"client":     "aws-sdk-go-v2 " + aws.SDKVersion,
		"unmodelled": "GenericAPIError",
		"tries":      3,
	})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var ask asked
		if err := json.Unmarshal(lines.Bytes(), &ask); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		say.Encode(call(ask))
	}
}
