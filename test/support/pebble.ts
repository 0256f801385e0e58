/**
 * A real ACME server for tests: Debian's pebble, strict, refusing one nonce in five, with pebble-challtestsrv as the DNS and the
 * web that it looks at. Processes of the test's own on loopback ports, ended by `stop`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AcmeServer } from '../../reconcilers/drivers/acme/index.ts';
import { makeAuthority, makeLeaf } from '../../reconcilers/drivers/authority/x509.ts';
import { freePorts } from '../conformance/nginx.real.ts';
import { until } from '../conformance/nginx.suite.ts';

export interface PebbleOptions {
  /** Where challenges by HTTP are looked for. Default: the test server of pebble's own. */
  httpPort?: number;
  /** Seconds that a certificate is good for. Default: 90 days. */
  validitySeconds?: number;
  /** Accounts need one of these bindings. */
  bindings?: Record<string, string>;
  /** Names that it will not issue for. */
  blocked?: string[];
  /** Of a hundred good nonces, so many are refused. Default 20. */
  nonceReject?: number;
}

export interface Pebble extends AcmeServer {
  readonly ca: string;
  /** The certificate that its own are signed under; another one after each start. */
  root(): Promise<string>;
  /** Orders that were ever made. */
  orders(): number;
  /** Everything that it said. */
  log(): string;
  /** What it will find when it looks for a challenge by HTTP at any name. */
  putHttp(token: string, body: string): Promise<void>;
  putTxt(name: string, value: string): Promise<void>;
  clearTxt(name: string): Promise<void>;
  putCaa(name: string, policies: { tag: string; value: string }[]): Promise<void>;
  /** `host:port` of the DNS server that answers for every name. */
  readonly dns: string;
  /** Ends the ACME server; it forgets everything. */
  halt(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** undefined with a reason when there is none here. */
export function missingPebble(): string | undefined {
  const missing = ['pebble', 'pebble-challtestsrv'].filter((name) => spawnSync(name, ['-help']).error);
  return missing.length === 0 ? undefined : `${missing.join(', ')} not installed (apt-get install pebble)`;
}

export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-pebble-'));
  const first = await freePorts(5);
  const ports = { acme: first, management: first + 1, dns: first + 2, web: first + 3, challenges: first + 4 };
  const authority = await makeAuthority({ name: 'pebble test', now: Date.now() });
  const leaf = await makeLeaf(authority, ['localhost', '127.0.0.1'], Date.now());
  await writeFile(join(folder, 'cert.pem'), leaf.certificate);
  await writeFile(join(folder, 'key.pem'), leaf.key);
  await writeFile(join(folder, 'config.json'), JSON.stringify(configOf(options, ports, folder)));
  let log = '';
  let pebble: ChildProcess | undefined;
  const keep = (child: ChildProcess) => {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (log += String(chunk)));
    return child;
  };
  const challenges = keep(
    spawn('pebble-challtestsrv', [
      ...['-dns01', `127.0.0.1:${ports.dns}`, '-management', `127.0.0.1:${ports.challenges}`],
      ...['-http01', `127.0.0.1:${ports.web}`, '-https01', '', '-tlsalpn01', '', '-defaultIPv6', ''],
    ]),
  );
  const manage = async (path: string, body: unknown) => {
    const answer = await fetch(`http://127.0.0.1:${ports.challenges}/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  const get = (url: string) => getText(url, authority.certificate);
  const start = async () => {
    pebble = keep(
      spawn(
        'pebble',
        ['-strict', '-config', join(folder, 'config.json'), '-dnsserver', `127.0.0.1:${ports.dns}`],
        {
          env: {
            ...process.env,
            PEBBLE_VA_NOSLEEP: '1',
            PEBBLE_WFE_NONCEREJECT: String(options.nonceReject ?? 20),
            PEBBLE_AUTHZREUSE: '0',
          },
        },
      ),
    );
    const answers = () =>
      get(`https://127.0.0.1:${ports.acme}/dir`).then(
        () => true,
        () => false,
      );
    await until(answers, `pebble does not answer: ${log}`);
  };
  await start();
  await until(
    () =>
      manage('clear-txt', { host: 'nothing.invalid.' }).then(
        () => true,
        () => false,
      ),
    'pebble-challtestsrv does not answer',
  );
  return {
    directory: `https://127.0.0.1:${ports.acme}/dir`,
    ca: authority.certificate,
    dns: `127.0.0.1:${ports.dns}`,
    root: () => get(`https://127.0.0.1:${ports.management}/roots/0`),
    orders: () => log.match(/^.*Added order "/gm)?.length ?? 0,
    log: () => log,
    putHttp: (token, content) => manage('add-http01', { token, content }),
    putTxt: (name, value) => manage('set-txt', { host: `${name}.`, value }),
    clearTxt: (name) => manage('clear-txt', { host: `${name}.` }),
    putCaa: (name, policies) => manage('add-caa', { host: `${name}.`, policies }),
    start,
    halt: () => ended(pebble),
    async stop() {
      await Promise.all([ended(pebble), ended(challenges)]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(
  { httpPort, validitySeconds, bindings, blocked }: PebbleOptions,
  ports: { acme: number; management: number; web: number },
  folder: string,
): object {
  return {
    pebble: {
      listenAddress: `127.0.0.1:${ports.acme}`,
      managementListenAddress: `127.0.0.1:${ports.management}`,
      certificate: join(folder, 'cert.pem'),
      privateKey: join(folder, 'key.pem'),
      httpPort: httpPort ?? ports.web,
      tlsPort: 1,
      ocspResponderURL: '',
      externalAccountBindingRequired: bindings !== undefined,
      externalAccountMACKeys: bindings ?? {},
      domainBlocklist: blocked ?? [],
      ...(validitySeconds === undefined ? {} : { certificateValidityPeriod: validitySeconds }),
    },
  };
}

function ended(child: ChildProcess | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

function getText(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ca, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve(body));
    });
    asked.on('error', reject);
    asked.end();
  });
}
