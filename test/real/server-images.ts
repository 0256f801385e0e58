/** Brings images of database servers, built once on the machine that runs the tests, into a host. */
import { spawn } from 'node:child_process';
import { serverImage } from '../conformance/database-parts.ts';
import type { Host } from './host.ts';

/** Names as `holdfast images build` takes them. Answers why one cannot be had, or undefined. */
export async function bringImages(host: Host, names: readonly string[]): Promise<string | undefined> {
  const images: string[] = [];
  for (const name of names) {
    const found = await serverImage(name);
    if ('reason' in found) return found.reason;
    images.push(found.image);
  }
  await new Promise<void>((resolve, reject) => {
    const save = spawn('docker', ['save', ...images], { stdio: ['ignore', 'pipe', 'inherit'] });
    const load = host.spawn(['docker', 'load', '-q']);
    load.stdout?.resume();
    load.stderr?.pipe(process.stderr);
    if (!load.stdin) return reject(new Error('docker load takes no input'));
    save.stdout.pipe(load.stdin);
    save.once('error', reject);
    load.once('error', reject);
    load.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`docker load of ${images.join(', ')}: exit ${code}`)),
    );
  });
  return undefined;
}
