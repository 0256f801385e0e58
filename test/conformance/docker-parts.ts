/** What tests against a real engine share: an image made without a registry, free ports, and why there is no engine. */
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import Dockerode from 'dockerode';
import { pack } from 'tar-stream';

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find(isExecutable);
const APPLETS = ['sh', 'sleep', 'echo', 'cat', 'true'];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function engineAnswers(engine: Dockerode): Promise<string | undefined> {
  try {
    await engine.ping();
    return undefined;
  } catch (caught) {
    return `no Docker engine answers: ${String(caught)}`;
  }
}

/** A busybox with the few programs that the suite calls. */
export async function importImage(engine: Dockerode, image: string, busybox: string): Promise<void> {
  const archive = pack();
  for (const folder of ['bin', 'run', 'tmp', 'scratch', 'etc', 'app', 'app/data', 'app/code', 'data']) {
    archive.entry({ name: folder, type: 'directory', mode: 0o755 });
  }
  archive.entry({ name: 'bin/busybox', mode: 0o755 }, await readFile(busybox));
  for (const applet of APPLETS)
    archive.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox' });
  archive.finalize();
  const [repo = '', tag = 'latest'] = image.split(':');
  const changes = ['CMD ["sleep","1000"]', 'VOLUME /scratch', 'ENV PATH=/bin'];
  const stream = await engine.importImage(archive as unknown as NodeJS.ReadableStream, {
    repo,
    tag,
    changes,
  });
  for await (const _line of stream as Readable) {
    // Read to the end: then it is there.
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** An engine and a busybox, or the reason why not. */
export async function realParts(): Promise<{ engine: Dockerode; busybox: string } | { reason: string }> {
  if (BUSYBOX === undefined) return { reason: 'no busybox (Debian: busybox-static) to make an image from' };
  const engine = new Dockerode();
  const reason = await engineAnswers(engine);
  return reason === undefined ? { engine, busybox: BUSYBOX } : { reason };
}
