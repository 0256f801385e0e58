/** What the parts of input.test.ts share: the host they sit at, and words to ask its holdfast with. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Document } from '../../../resources/document.ts';
import type { Result } from '../docker.ts';
import type { ExecOptions, Host } from '../host.ts';
import { until } from '../until.ts';

export interface Desk {
  host: Host;
}

export type Suite = Test<Desk>;

export const IMAGE = 'test.local/text:1';

/** Runs holdfast and refuses any other exit code, with all that was printed. */
export async function holdfast(
  host: Host,
  args: string[],
  { code = 0, ...options }: ExecOptions & { code?: number } = {},
): Promise<Result> {
  const result = await host.holdfast(args, options);
  if (result.code === code) return result;
  throw new Error(
    `holdfast ${args.join(' ')}: exit ${result.code} and not ${code}\n${result.stdout}${result.stderr}`,
  );
}

export async function names(host: Host, kind: string): Promise<string[]> {
  const { stdout } = await holdfast(host, ['get', kind, '-o', 'name']);
  return stdout.split('\n').filter(Boolean);
}

export async function documentOf(host: Host, reference: string): Promise<Document> {
  return JSON.parse((await holdfast(host, ['get', reference, '-o', 'json'])).stdout) as Document;
}

/** JSON, which is YAML too. */
export function app(name: string, spec: Record<string, unknown> = {}, metadata: object = {}): string {
  return JSON.stringify({
    apiVersion: 'holdfast.dev/v1',
    kind: 'App',
    metadata: { name, ...metadata },
    spec: { image: IMAGE, port: 8080, location: name, domain: 'localhost', ...spec },
  });
}

/** Writes a file of the host whole, as a person's `cat >` does. */
export async function write(host: Host, path: string, text: string): Promise<void> {
  await host.sh(`cat > ${path}`, { input: text });
}

/** A verb that goes on: what it printed so far, and its exit code after an interrupt. */
export async function following(host: Host, args: string[], run: (output: () => string) => Promise<void>) {
  const child = host.spawn(['/opt/holdfast/bin/holdfast', ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  try {
    await run(() => output);
    await host.kill(`bin/holdfast ${args.join(' ')}`, 'INT');
    assert.is(await ended, 130, `exit code of ${args.join(' ')} after an interrupt`);
  } finally {
    await host.kill(`bin/holdfast ${args.join(' ')}`);
  }
}

export const shows = (output: () => string, pattern: RegExp) =>
  until(`${pattern} is shown`, () => pattern.test(output()), { seconds: 20 }).catch((error) => {
    throw new Error(`${error.message}; shown was:\n${output()}`);
  });

/** The line of curl that asks an App's site. */
export const page = (name: string, path = '/') =>
  `curl -sS --fail --max-time 60 --cacert /var/lib/holdfast/authority/ca.pem ` +
  `--resolve ${name}.localhost:443:127.0.0.1 https://${name}.localhost${path}`;
