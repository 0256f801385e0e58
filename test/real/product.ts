/** What the tests of many Apps share: manifests of them, what `get` says of them, and their pages over HTTPS. */
import type { Document } from '../../resources/document.ts';
import { condition } from '../../resources/document.ts';
import type { Result } from './docker.ts';
import { type Host, project } from './host.ts';

export const IMAGE = 'holdfast.local/hello:1';

export function succeeded(result: Result): Result {
  if (result.code !== 0) throw new Error(`exit ${result.code}\n${result.stdout}${result.stderr}`);
  return result;
}

/** The example's image under these tags, for a host where `up --examples` is not run. */
export async function buildHello(host: Host, tags: string[] = [IMAGE]): Promise<void> {
  await host.sh(`
    rm -rf /tmp/hello && cp -r ${project}/examples/images/hello /tmp/hello && mkdir /tmp/hello/bin
    cp /bin/busybox /tmp/hello/bin/ && chmod 755 /tmp/hello/start /tmp/hello/www/cgi-bin/index.cgi
    for name in sh cat env hostname httpd ls nc sed sleep wc; do ln -s busybox /tmp/hello/bin/$name; done
  `);
  for (const tag of tags)
    await host.sh(`docker build -q --label test.tag=${tag} -t ${tag} /tmp/hello`, { timeoutSeconds: 60 });
}

export interface AppOptions {
  image?: string;
  location?: string;
  env?: Record<string, string>;
  memory?: string;
}

/** JSON, which is YAML too. */
export function appManifest(name: string, options: AppOptions = {}): string {
  const { image = IMAGE, location = name, env, memory } = options;
  const spec = {
    image,
    port: 8080,
    healthCheckPath: '/healthz',
    volumes: [{ path: '/data' }],
    location,
    domain: 'localhost',
    ...(env ? { env } : {}),
    ...(memory ? { memory } : {}),
  };
  return JSON.stringify({ apiVersion: 'holdfast.dev/v1', kind: 'App', metadata: { name }, spec });
}

/** Of the controller that was started just now. */
export async function platformIsReady(host: Host): Promise<boolean> {
  const platform = await host.holdfast(['get', 'platform', 'platform', '-o', 'json']);
  return platform.code === 0 && condition(JSON.parse(platform.stdout), 'Ready')?.status === 'True';
}

export const stream = (manifests: readonly string[]) => manifests.join('\n---\n');

export async function apps(host: Host): Promise<Document[]> {
  const { stdout } = succeeded(await host.holdfast(['get', 'apps', '-o', 'json']));
  return (JSON.parse(stdout) as { items: Document[] }).items;
}

export function isReady(app: Document): boolean {
  return (
    condition(app, 'Ready')?.status === 'True' && app.status?.observedGeneration === app.metadata.generation
  );
}

/** Why each of those that are not Ready is not, for the message of a failed test. */
export function unready(documents: readonly Document[]): string {
  return documents
    .filter((app) => !isReady(app))
    .map((app) => {
      const ready = condition(app, 'Ready');
      return `${app.metadata.name}: ${ready?.reason ?? 'no condition'} ${ready?.message ?? ''}`;
    })
    .join('\n');
}

/** The pages of hosts under localhost, by one curl: text between the h1 tags, empty where it is not served. */
export async function headings(host: Host, locations: readonly string[]): Promise<Map<string, string>> {
  const one = `curl -s --fail --max-time 10 --cacert "$ca" --resolve "$1.localhost:443:127.0.0.1" "https://$1.localhost/cgi-bin/index.cgi"`;
  const script = `
    ca=/var/lib/holdfast/authority/ca.pem
    page() { ${one} | sed -n 's|^<h1>\\(.*\\)</h1>$|\\1|p'; }
    for name in "$@"; do echo "$name=$(page "$name")"; done
  `;
  const { stdout } = await host.exec(['sh', '-c', script, 'sh', ...locations]);
  const lines = stdout.split('\n').filter(Boolean);
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}
