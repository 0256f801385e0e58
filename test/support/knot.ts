/**
 * A real authoritative name server as a process of the test: Knot on a high port of the loopback, with one zone and a TSIG key
 * that may change and transfer it. Records of "somebody else" come by its own control tool. Ends with the test.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { RecordSet } from '../../reconcilers/drivers/dns/index.ts';
import { quoteText } from '../../reconcilers/drivers/dns/values.ts';
import { until } from '../real/until.ts';

const exec = promisify(execFile);
const running = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Why there is no Knot here, or undefined. */
export function knotMissing(): string | undefined {
  for (const program of ['knotd', 'knotc', 'kdig']) {
    const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' });
    if (error) return `${program} is not installed (Debian packages knot and knot-dnsutils)`;
  }
  return undefined;
}

export interface KnotOptions {
  zone?: string;
  /** Records of the zone beside SOA and NS, as lines of a zone file. */
  records?: string;
  algorithm?: 'hmac-sha256' | 'hmac-sha512';
  /** false: the key may update and not transfer. */
  transfer?: boolean;
}

export interface Knot {
  readonly zone: string;
  readonly port: number;
  readonly credentials: Record<string, string>;
  /** A value of Domain's nameServers. */
  readonly nameServer: string;
  /** All records but SOA, sorted, by a transfer. */
  dump(): Promise<string>;
  serial(): Promise<string>;
  /** Adds records as somebody else would. */
  add(set: Omit<RecordSet, 'mark'>): Promise<void>;
  /** Removes them as somebody else would. */
  drop(name: string, type: string): Promise<void>;
  /** Stops answering without closing, and goes on. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

export const KNOT_KEY = Buffer.from('a secret of the test, long enough').toString('base64');

function configuration(
  folder: string,
  port: number,
  { zone = 'example.com', algorithm = 'hmac-sha256', transfer = true }: KnotOptions,
): string {
  return `
server:
  rundir: "${folder}/run"
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
database:
  storage: "${folder}/db"
key:
  - id: holdfast
    algorithm: ${algorithm}
    secret: ${KNOT_KEY}
  - id: watcher
    algorithm: hmac-sha256
    secret: ${KNOT_KEY}
acl:
  - id: change
    key: holdfast
    action: [update${transfer ? ', transfer' : ''}]
  - id: watch
    key: watcher
    action: transfer
zone:
  - domain: ${zone}
    file: "${folder}/zone"
    acl: [change, watch]
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
`;
}

export async function startKnot(options: KnotOptions = {}): Promise<Knot> {
  const zone = options.zone ?? 'example.com';
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-knot-'));
  const port = await freePort();
  await mkdir(path.join(folder, 'run'));
  await mkdir(path.join(folder, 'db'));
  const text = `$ORIGIN ${zone}.\n$TTL 3600\n@ SOA ns1 hostmaster 1 3600 900 604800 300\n@ NS ns1\n@ NS ns2\nns1 A 127.0.0.1\nns2 A 127.0.0.1\n`;
  await writeFile(path.join(folder, 'zone'), text + (options.records ?? ''));
  const config = path.join(folder, 'knot.conf');
  await writeFile(config, configuration(folder, port, options));
  const child = spawn('knotd', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  running.add(child);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const dig = async (...words: string[]) => {
    const { stdout } = await exec('kdig', ['@127.0.0.1', '-p', String(port), '+tcp', '+time=5', ...words]);
    return stdout;
  };
  const control = (...words: string[]) =>
    exec('knotc', ['-s', path.join(folder, 'run', 'knot.sock'), ...words]);
  const change = async (...commands: string[][]) => {
    await control('zone-begin', zone);
    for (const [verb = '', ...words] of commands) await control(verb, zone, ...words);
    await control('zone-commit', zone);
  };
  const stop = async () => {
    running.delete(child);
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('close', resolve));
    await rm(folder, { recursive: true, force: true });
  };
  const answers = async () => (await dig('SOA', zone, '+short').catch(() => '')) !== '';
  try {
    await until('knot answers', answers, { seconds: 30 });
  } catch (error) {
    await stop();
    throw new Error(`${error instanceof Error ? error.message : error}\n${said}`);
  }
  const dataOf = ({ type }: Pick<RecordSet, 'type'>, value: string) => {
    if (type === 'TXT') return quoteText(value);
    return type === 'CNAME' || type === 'MX' || type === 'SRV' ? `${value}.` : value;
  };
  return {
    zone,
    port,
    nameServer: `127.0.0.1:${port}`,
    credentials: {
      server: '127.0.0.1',
      port: String(port),
      keyName: 'holdfast',
      algorithm: options.algorithm ?? 'hmac-sha256',
      key: KNOT_KEY,
    },
    async dump() {
      const text = await dig('AXFR', zone, '-y', `hmac-sha256:watcher:${KNOT_KEY}`, '+noall', '+answer');
      const lines = text.split('\n').filter((line) => line.trim() !== '' && !/\sSOA\s/.test(line));
      return lines.sort().join('\n');
    },
    serial: async () => (await dig('SOA', zone, '+short')).split(' ')[2] ?? '',
    add: ({ name, type, ttl, values }) =>
      change(...values.map((value) => ['zone-set', `${name}.`, String(ttl), type, dataOf({ type }, value)])),
    drop: (name, type) => change(['zone-unset', `${name}.`, type]),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop,
  };
}
