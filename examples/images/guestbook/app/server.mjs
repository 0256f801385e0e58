/**
 * A guestbook: who comes may write a line. It listens on port 8000 and says honestly, with 503, when its database is away; it never
 * ends because of that, and needs no restart when the database is back.
 */
import { createServer } from 'node:http';
import { awayPage, page } from './page.mjs';
import { openStorage } from './storage.mjs';

const PORT = 8000;
const MOST_BYTES = 16_384;
const storage = openStorage();

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
  'cache-control': 'no-store',
};

async function formOf(request) {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MOST_BYTES) throw Object.assign(new Error('too long'), { status: 413 });
  }
  return new URLSearchParams(text);
}

async function show(response, status, problem) {
  const [entries, count, visits] = await Promise.all([storage.entries(), storage.count(), storage.visit()]);
  response.writeHead(status, headers).end(page({ entries, count, visits, problem }));
}

async function sign(request, response) {
  const form = await formOf(request);
  const [name, words] = ['name', 'words'].map((field) => (form.get(field) ?? '').trim());
  if (name === '' || words === '') return show(response, 400, 'A name and a few words are needed.');
  if (name.length > 60 || words.length > 1000) return show(response, 400, 'That is too long.');
  await storage.write(name, words);
  response.writeHead(303, { location: '/' }).end();
}

async function answer(request, response) {
  const { pathname } = new URL(request.url ?? '/', 'http://guestbook');
  if (pathname === '/healthz') {
    await storage.check();
    return response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
  }
  if (pathname !== '/') return response.writeHead(404, { 'content-type': 'text/plain' }).end('not here\n');
  if (request.method === 'POST') return sign(request, response);
  if (request.method === 'GET' || request.method === 'HEAD') return show(response, 200);
  return response.writeHead(405, { allow: 'GET, HEAD, POST' }).end();
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (response.headersSent) return response.destroy();
    if (error.status) return response.writeHead(error.status).end();
    console.log(`${request.method} ${request.url}: ${error.message}`);
    response.writeHead(503, { ...headers, 'retry-after': '5' }).end(awayPage());
  });
});

server.listen(PORT, () => console.log(`guestbook: listens on port ${PORT}`));
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => {
    server.close(() => storage.close().finally(() => process.exit(0)));
    server.closeIdleConnections();
  });
