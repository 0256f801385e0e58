/**
 * Stands between the controller and the Docker engine on a test host and writes down every request, one a line; and writes
 * down when nginx gets new workers, which is what a reload is. many.test.ts copies it into the host and runs it there with
 * node alone, so it is plain JavaScript. It changes nothing of what passes through.
 */
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

const [listen = '', engine = '', log = '', pidFile = ''] = process.argv.slice(2);

function note(line) {
  appendFileSync(log, `${Date.now()} ${line}\n`);
}

function forward(from, answer) {
  const { method, url, headers } = from;
  note(`call ${method} ${url}`);
  const sent = request({ socketPath: engine, method, path: url, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    // Headers of a stream of events come before the first event.
    answer.flushHeaders();
    response.pipe(answer);
  });
  sent.on('error', () => answer.destroy());
  answer.on('close', () => sent.destroy());
  from.pipe(sent);
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
