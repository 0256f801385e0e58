/**
 * Stands between the controller and the Docker engine on a test host and writes down every request, one a line; and writes
 * down when nginx gets new workers, which is what a reload is. Tests copy it into the host and run it there with node alone,
 * so it is plain JavaScript. It changes nothing of what passes through, unless there is a file of lies: for the name of a container, or
 * what it begins with, the fields that the engine is to answer otherwise when that is looked at.
 */
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

const [listen = '', engine = '', log = '', pidFile = '', lieFile = ''] = process.argv.slice(2);

function note(line) {
  appendFileSync(log, `${Date.now()} ${line}\n`);
}

function forward(from, answer) {
  const { method, url, headers } = from;
  note(`call ${method} ${url}`);
  const sent = request({ socketPath: engine, method, path: url, headers }, (response) => {
    if (lieFile !== '' && method === 'GET' && /\/containers\/[^/]+\/json/.test(url ?? ''))
      return lie(response, answer);
    answer.writeHead(response.statusCode ?? 502, response.headers);
    // Headers of a stream of events come before the first event.
    answer.flushHeaders();
    response.pipe(answer);
  });
  sent.on('error', () => answer.destroy());
  answer.on('close', () => sent.destroy());
  from.pipe(sent);
}

/** Passes an answer on with what the file of lies says in it. */
async function lie(response, answer) {
  const text = await whole(response);
  const told = response.statusCode === 200 ? JSON.stringify(withLies(JSON.parse(text))) : text;
  const headers = { ...response.headers, 'content-length': Buffer.byteLength(told) };
  delete headers['transfer-encoding'];
  answer.writeHead(response.statusCode ?? 502, headers).end(told);
}

async function whole(stream) {
  let text = '';
  for await (const piece of stream.setEncoding('utf8')) text += piece;
  return text;
}

function withLies(truth) {
  const about = truth.Name?.slice(1) ?? '';
  const lies = existsSync(lieFile) ? JSON.parse(readFileSync(lieFile, 'utf8')) : {};
  const names = Object.keys(lies).filter((name) => about === name || about.startsWith(`${name}-next`));
  return names.reduce((told, name) => merge(told, lies[name]), truth);
}

function merge(truth, told) {
  const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(truth) || !isObject(told)) return told;
  const fields = Object.entries(told).map(([field, value]) => [field, merge(truth[field], value)]);
  return { ...truth, ...Object.fromEntries(fields) };
}

/** Attached streams: what follows the headers is no HTTP any more. */
function tunnel({ method, url, rawHeaders }, socket, head) {
  note(`call ${method} ${url}`);
  const to = connect(engine, () => {
    const lines = [];
    for (let at = 0; at < rawHeaders.length; at += 2)
      lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`);
    to.write(`${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    to.write(head);
    socket.pipe(to).pipe(socket);
  });
  for (const end of [to, socket]) end.on('error', () => [to, socket].map((one) => one.destroy()));
}

/** Pid of the youngest worker. Empty while nginx does not run. */
function youngestWorker() {
  try {
    const master = readFileSync(pidFile, 'utf8').trim();
    const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim();
    return String(Math.max(...children.split(' ').map(Number)));
  } catch {
    return '';
  }
}

let worker = '';
setInterval(() => {
  const now = youngestWorker();
  if (now === worker || now === '' || now === '0') return;
  note(worker === '' ? 'start nginx' : 'reload nginx');
  worker = now;
}, 20);

rmSync(listen, { force: true });
createServer({ keepAliveTimeout: 0 }, forward).on('upgrade', tunnel).listen(listen);
