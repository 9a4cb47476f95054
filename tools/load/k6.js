// Load by k6, which signs each request itself; an open loop of RATE requests a second:
//
//     k6 run -e RATE=500 -e TIME=30s -e SPEC=ECC_NIST_P256 tools/load/k6.js
//
// AWS_ENDPOINT_URL_KMS, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are read as the SDKs read
// them. Signing costs k6 more than the request costs the endpoint: beyond some thousand requests a
// second it is k6 that is measured.

import http from 'k6/http';
import { check } from 'k6';
import crypto from 'k6/crypto';

const url = __ENV.AWS_ENDPOINT_URL_KMS || 'http://127.0.0.1:8181';
const region = __ENV.AWS_REGION || 'us-east-1';
const host = url.split('/')[2];
const target = 'TrentService.GenerateDataKeyPairWithoutPlaintext';
const signed = 'content-type;host;x-amz-date;x-amz-target';

export const options = {
  scenarios: {
    steady: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 500),
      timeUnit: '1s',
      duration: __ENV.TIME || '30s',
      preAllocatedVUs: Number(__ENV.CONNECTIONS || 32),
    },
  },
  summaryTrendStats: ['med', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

function sign(body) {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const day = date.slice(0, 8);
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    host,
    'x-amz-date': date,
    'x-amz-target': target,
  };
  const lines = signed.split(';').map((name) => `${name}:${headers[name]}\n`).join('');
  const canonical = `POST\n/\n\n${lines}\n${signed}\n${crypto.sha256(body, 'hex')}`;
  const scope = `${day}/${region}/kms/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${crypto.sha256(canonical, 'hex')}`;
  let key = `AWS4${__ENV.AWS_SECRET_ACCESS_KEY}`;
  for (const part of [day, region, 'kms', 'aws4_request']) {
    key = crypto.hmac('sha256', key, part, 'binary');
  }
  const signature = crypto.hmac('sha256', key, text, 'hex');
  const credential = `${__ENV.AWS_ACCESS_KEY_ID}/${scope}`;
  headers.authorization =
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signed}, Signature=${signature}`;
  return headers;
}

export default function () {
  const body = JSON.stringify({
    KeyId: __ENV.KEY_ID || 'alias/default',
    KeyPairSpec: __ENV.SPEC || 'ECC_NIST_P256',
  });
  const answer = http.post(url, body, { headers: sign(body) });
  check(answer, { 'is answered': (it) => it.status === 200 });
}
