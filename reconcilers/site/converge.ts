/**
 * Does one step. Called by the engine with the writing half of the world. A Site whose file nginx refuses is left out, with its
 * last good file in its place where it had one, and the others are published; only what nginx refuses without naming a
 * Site stops them all, and then what was published before goes on serving.
 */

import { ReconcileError, type Run } from '../../controller/engine/contract.ts';
import { ownerOfFile } from '../certificate/want.ts';
import { DriverError } from '../drivers/error.ts';
import type { ConfigFiles, PublishResult } from '../drivers/nginx/index.ts';
import type { Writing } from '../world.ts';
import { siteOfPath } from './config.ts';
import { isIntact } from './directives.ts';
import { refusalPath, writeRefusal } from './refusal.ts';
import type { PublishSites, SiteStep } from './steps.ts';

export type SiteWriting = Pick<Writing, 'nginx' | 'host' | 'authority'>;

export async function convergeSites(step: SiteStep, world: SiteWriting, run: Run): Promise<void> {
  switch (step.type) {
    case 'IssueCertificate':
      await world.authority.issue(step.hosts);
      return;
    case 'PublishSites':
      return publishSites(step, world, run);
    case 'StartNginx':
      return explained(world, () => world.nginx.start());
    case 'UpgradeNginx':
      return upgradeNginx(world, run);
    case 'RemoveCertificate': {
      // A Certificate that came to be since this was planned may have its file already, or write it at any moment from here on.
      const found = await world.nginx.certificate(step.name);
      const owner = ownerOfFile(step.name);
      if (owner !== undefined && run.documents.exists({ kind: 'Certificate', name: owner })) return;
      const { files } = await world.nginx.state();
      if (![...files.values()].some((text) => text.includes(`/${step.name}.pem`))) {
        await world.nginx.removeCertificate(step.name, found);
      }
      return;
    }
  }
}

/** One that does not come up is no failure of any Site: the one before goes on, and it is tried again later. */
async function upgradeNginx({ nginx }: SiteWriting, run: Run): Promise<void> {
  const result = await nginx.upgrade();
  if (result.ok) return;
  const message = `the new nginx does not come up, and the one before goes on serving: ${result.message}`;
  run.event('Warning', 'NginxUpgradeFailed', message);
}

async function publishSites(step: PublishSites, world: SiteWriting, run: Run): Promise<void> {
  const files = new Map(step.files);
  const { files: present } = await world.nginx.state();
  const refused: string[] = [];
  for (;;) {
    run.signal.throwIfAborted();
    run.progress(
      undefined,
      refused.length === 0 ? 'testing and loading' : `testing without ${refused.join(', ')}`,
    );
    const result = await explained(world, () => world.nginx.publish(files));
    if (result.ok) return;
    const site = leaveOut(result.refused, files, present, step.version);
    refused.push(`site/${site}`);
    run.event(
      'Warning',
      'SiteRefused',
      `nginx refuses site/${site}, which is left out: ${result.refused.message}`,
    );
  }
}

type Refused = Extract<PublishResult, { ok: false }>['refused'];

/** Each call takes something out: a Site's new text, then its last good one. So the loop ends. */
function leaveOut(
  { file, message }: Refused,
  files: Map<string, string>,
  present: ConfigFiles,
  version: string,
): string {
  const site = siteOfPath(file ?? '');
  const text = file === undefined ? undefined : files.get(file);
  if (file === undefined || site === undefined || text === undefined) {
    const words = `nginx refuses the configuration, and what was published before goes on serving: ${message}`;
    throw new ReconcileError('retryable', 'ConfigRefused', words);
  }
  const lastGood = present.get(file);
  if (files.has(refusalPath(site)) || lastGood === undefined || lastGood === text || !isIntact(lastGood)) {
    files.delete(file);
  } else {
    files.set(file, lastGood);
  }
  if (!files.has(refusalPath(site))) files.set(refusalPath(site), writeRefusal({ version, message, text }));
  return site;
}

/** Drivers say what happened; this adds what to do. */
async function explained<T>(world: SiteWriting, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    if (error.code !== 'conflict')
      throw new ReconcileError('retryable', 'NginxFailed', error.message, { cause: error });
    const message = `${error.message}${await holder(error.message, world)} Stop it there, or give nginx other ports: spec.http.port and spec.http.httpsPort of the Platform.`;
    // Nobody tells when it is free.
    throw new ReconcileError('retryable', 'PortTaken', message, { cause: error, recheckSeconds: 10 });
  }
}

async function holder(words: string, world: SiteWriting): Promise<string> {
  const port = Number(/:(\d+) is taken/.exec(words)?.[1]);
  const listeners = await world.host.listeners().catch(() => []);
  const found = listeners.find(
    (entry) => entry.protocol === 'tcp' && entry.port === port && entry.program !== undefined,
  );
  return found ? ` It is ${found.program}${found.pid === undefined ? '' : ` (pid ${found.pid})`}.` : '';
}
