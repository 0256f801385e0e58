/**
 * Tells scripts/setup.sh what only Node can see: whether SQLite's addon loads, and whether a Docker engine answers.
 * Prints one word a line for what works (`sqlite`, `docker`). Plain JavaScript without packages, for it runs before any is installed.
 */
import { request } from 'node:http';
import { createRequire } from 'node:module';

const wanted = new Set(process.argv.slice(2));

function sqliteWorks() {
  try {
    const Database = createRequire(import.meta.url)('better-sqlite3');
    new Database(':memory:').close();
    return true;
  } catch {
    return false;
  }
}

/** DOCKER_HOST as the docker command reads it, as far as it is local. */
function dockerAddress() {
  const host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  const url = new URL(host.replace(/^tcp:/, 'http:'));
  return { host: url.hostname, port: url.port === '' ? 2375 : Number(url.port) };
}

function dockerAnswers() {
  return new Promise((resolve) => {
    const call = request({ ...dockerAddress(), path: '/_ping', timeout: 3000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.on('close', () => resolve(false));
    call.end();
  });
}

if (wanted.has('sqlite') && sqliteWorks()) console.log('sqlite');
if (wanted.has('docker') && (await dockerAnswers())) console.log('docker');
