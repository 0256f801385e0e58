/**
 * A bounded load of requests on a host's own loopback, for tests of what is lost meanwhile. Plain JavaScript: it is copied into the host
 * and run there as `load.mjs KEEPALIVE SOCKET NAME…`. Each App is asked over HTTPS in turn, the API over its socket beside it. SIGTERM
 * ends it; it then prints what it counted, as JSON.
 */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';

const [keepAlive = 'no', socketPath = '', ...names] = process.argv.slice(2);
const LANES = 4;
const PAUSE = 15;

const ca = readFileSync('/var/lib/holdfast/authority/ca.pem');
const agent = new Agent({ keepAlive: keepAlive === 'yes', maxSockets: LANES * 2 });
const count = { pages: 0, lost: 0, api: 0, apiLost: 0, words: [] };
let going = true;

function finish(sent) {
  return new Promise((resolve) => {
    const fail = (error) => resolve(error.code ?? error.message);
    sent.once('error', fail);
    sent.once('timeout', () => sent.destroy(new Error('timeout')));
    sent.once('response', (answer) => {
      answer.once('error', fail);
      answer.once('aborted', () => resolve('aborted'));
      answer
        .resume()
        .once('end', () => resolve(answer.statusCode < 400 ? undefined : `${answer.statusCode}`));
    });
    sent.end();
  });
}

const page = (name) => {
  const host = `${name}.localhost`;
  const address = { host: '127.0.0.1', port: 443, servername: host, headers: { host } };
  return finish(httpsRequest({ ...address, path: '/healthz', ca, agent, timeout: 15_000 }));
};
const api = () => finish(httpRequest({ socketPath, path: '/version', agent: false, timeout: 120_000 }));

async function lane(ask, tell) {
  for (let turn = 0; going; turn += 1) {
    const failure = await ask(turn);
    tell(failure);
    if (failure !== undefined && count.words.length < 20) count.words.push(failure);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

process.once('SIGTERM', () => {
  going = false;
});
const lanes = Array.from({ length: LANES }, (_, index) =>
  lane(
    (turn) => page(names[(turn * LANES + index) % names.length]),
    (failure) => {
      count.pages += 1;
      if (failure !== undefined) count.lost += 1;
    },
  ),
);
if (socketPath !== '')
  lanes.push(
    lane(api, (failure) => {
      count.api += 1;
      if (failure !== undefined) count.apiLost += 1;
    }),
  );
process.stdout.write('going\n');
await Promise.all(lanes);
process.stdout.write(`${JSON.stringify(count)}\n`);
process.exit(0);
