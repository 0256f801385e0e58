/** Large and long connections through nginx to an App. */
import * as assert from 'uvu/assert';
import { holdfast, page, type Suite } from './desk.ts';

/** Run by node on the host: an upgrade, then a line there and back, twice, with a reload of nginx in between. */
const client = `
const { connect } = require('node:tls');
const { readFileSync } = require('node:fs');
const { execFileSync } = require('node:child_process');
const ca = readFileSync('/var/lib/holdfast/authority/ca.pem');
const socket = connect({ host: '127.0.0.1', port: 443, servername: 'a.localhost', ca, ALPNProtocols: ['http/1.1'] });
const fail = (why) => { console.error(why, JSON.stringify(received)); process.exit(1); };
setTimeout(() => fail('too late'), 20_000).unref();
let received = '';
let said = 0;
socket.on('error', (error) => fail(error.message));
socket.on('close', () => fail('closed'));
socket.on('data', (data) => {
  received += data.toString('latin1');
  if (said === 0 && received.includes('\\r\\n\\r\\n')) { said = 1; socket.write('hello\\n'); }
  else if (said === 1 && received.endsWith('hello\\n')) {
    execFileSync('pkill', ['-HUP', '-o', '-f', 'nginx: master process .*/var/lib/holdfast/nginx']);
    said = 2;
    setTimeout(() => socket.write('again\\n'), 1000);
  } else if (received.endsWith('again\\n')) { process.stdout.write(received); process.exit(0); }
});
socket.write('GET /ws HTTP/1.1\\r\\nHost: a.localhost\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n');
`;

export function traffic(test: Suite): void {
  test('a websocket goes both ways through nginx, and lives through a reload', async ({ host }) => {
    await holdfast(host, ['wait', 'app/a']);
    const received = await host.sh('node -', { input: client });
    assert.match(received, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    // The example of RFC 6455, 1.3.
    assert.match(received, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
    assert.match(received, /\r\n\r\nhello\nagain$/);
  });

  test('100 MB go up and come down whole', async ({ host }) => {
    await host.sh('head -c 104857600 /dev/urandom > /root/large');
    const sum = (await host.sh('sha256sum /root/large')).split(' ')[0];
    assert.is(await host.sh(`${page('a', '/up')} -H Expect: --data-binary @/root/large`), sum);
    assert.is(await host.sh(`${page('a', '/up')} -H Expect: -T /root/large`), sum);
    const zeros = await host.sh('head -c 104857600 /dev/zero | sha256sum');
    assert.is(await host.sh(`${page('a', '/down')} | sha256sum`), zeros);
  });
}
