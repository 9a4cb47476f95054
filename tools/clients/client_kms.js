// @aws-sdk/client-kms, called by `walk.py`: a line of JSON in, one out; `client.py` describes them.
"use strict";

const readline = require("node:readline");
const sdk = require("@aws-sdk/client-kms");
const { version } = require("@aws-sdk/client-kms/package.json");

// Members that the SDK takes as bytes.
const BLOBS = ["CiphertextBlob", "Plaintext", "Message", "Signature", "Mac", "PublicKey",
  "ImportToken", "EncryptedKeyMaterial"];

const clients = new Map();

function client({ endpoint, region, access_key_id, secret_access_key, session_token }) {
  const credentials = {
    accessKeyId: access_key_id,
    secretAccessKey: secret_access_key,
    sessionToken: session_token || undefined,
  };
  const name = JSON.stringify([endpoint, region, credentials]);
  if (!clients.has(name)) clients.set(name, new sdk.KMSClient({ endpoint, region, credentials }));
  return clients.get(name);
}

function text(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value instanceof Date ? value.toISOString() : value;
}

async function call({ operation, members, ...where }) {
  for (const name of BLOBS) {
    if (typeof members[name] === "string") members[name] = Buffer.from(members[name], "base64");
  }
  const command = new sdk[`${operation}Command`](members);
  try {
    const { $metadata, ...output } = await client(where).send(command);
    const entries = Object.entries(output).map(([name, value]) => [name, text(value)]);
    return { output: Object.fromEntries(entries), attempts: $metadata.attempts };
  } catch (error) {
    if (!error.$metadata) return { lacks: String(error) };
    return {
      code: error.name,
      // What the SDK says where the service says nothing.
      message: error.message === "UnknownError" ? "" : error.message,
      class: error.constructor.name,
      status: error.$metadata.httpStatusCode,
      attempts: error.$metadata.attempts,
    };
  }
}

async function main() {
  const hello = {
    client: `@aws-sdk/client-kms ${version}`,
    unmodelled: "KMSServiceException",
    tries: 3,
    corrects_clock: true,
  };
  console.log(JSON.stringify(hello));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await call(JSON.parse(line))));
  }
}

main();
