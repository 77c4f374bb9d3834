// A receiver of webhooks as people write them: receiver.mjs FOLDER CERTIFICATE SECRET
//
// Every request goes through npm's standardwebhooks (does it verify?) and, as a CloudEvent, through npm's
// cloudevents (is it one?). What came is written as FOLDER/NNNN.json. Prints "port N", ends with standard input.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, certificate, secret] = process.argv.slice(2);
const require = createRequire(join(process.env.CURFEW_NPM, "package.json"));
const { Webhook } = require("standardwebhooks");
const { HTTP } = require("cloudevents");

let taken = 0;

function attempt(task) {
  try {
    return { value: task(), error: null };
  } catch (error) {
    return { value: null, error: String(error.message ?? error) };
  }
}

function record(request, body) {
  const { headers } = request;
  const verified = attempt(() => new Webhook(secret).verify(body, headers));
  const tampered = attempt(() => new Webhook(secret).verify(body + " ", headers));
  const event = attempt(() => {
    const parsed = HTTP.toEvent({ headers, body });
    parsed.validate();
    return parsed.toJSON();
  });
  taken += 1;
  const name = join(folder, `${String(taken).padStart(4, "0")}.json`);
  writeFileSync(`${name}.new`, JSON.stringify({ headers, body, verified, tampered, event }));
  renameSync(`${name}.new`, name);
}

const pem = readFileSync(certificate);
const server = createServer({ cert: pem, key: pem }, (request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => {
    body += piece;
  });
  request.on("end", () => {
    record(request, body);
    response.writeHead(204).end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
