/**
 * Apps on a whole host, for tests: images made on the spot, documents in and out through the API, pages through nginx. Every
 * image is the same static busybox with one web page that says what the App sees of itself.
 */
import type { Condition, Document } from '../../resources/document.ts';
import type { Host } from './host.ts';
import { until } from './until.ts';

export interface Planned {
  document: { kind: string; name: string };
  step: { type: string; target: string };
}

interface HappenedStep {
  type: string;
  target: string;
  because: { field: string; cause: string; found?: unknown; wanted?: unknown }[];
}

export interface Happened {
  version: number;
  kind: string;
  name: string;
  type: string;
  reason: string;
  message: string;
  step?: HappenedStep;
}

export const IMAGE = 'test.local/site:1';

/** Shows what it is, who it runs as, what it was given and what it kept. */
const page = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "release=$RELEASE user=$(id -u) token=\${TOKEN:-none}"
for file in /data/kept /state/kept; do [ ! -f $file ] || echo "$file=$(cat $file)"; done
`;
const start = `#!/bin/sh
trap 'kill $web; exit 0' TERM INT
echo "release $RELEASE starts"
httpd -f -p 8080 -h /www &
web=$!
wait $web
`;

/** The files that all test images share, with /data and /state of user 1000, as a tar on the host. */
export async function makeImageRoot(host: Host): Promise<void> {
  await host.sh(
    `mkdir -p /root/image/bin /root/image/www/cgi-bin /root/image/data /root/image/state
     mkdir -m 1777 /root/image/tmp
     cp /bin/busybox /root/image/bin/
     for name in sh cat echo env httpd id ls nc sleep touch wget; do ln -sf busybox /root/image/bin/$name; done
     cat >/root/image/start
     chmod 755 /root/image/start
     chown 1000:1000 /root/image/data /root/image/state`,
    { input: start },
  );
  await host.sh('cat >/root/image/www/cgi-bin/index.cgi; chmod 755 /root/image/www/cgi-bin/index.cgi', {
    input: page,
  });
  await host.sh('tar -C /root/image -cf /root/image.tar .');
}

/** Changes are lines of a Dockerfile: VOLUME, USER, ENV, CMD. */
export async function makeImage(host: Host, name: string, ...changes: string[]): Promise<void> {
  const lines = ['CMD ["/start"]', 'ENV PATH=/bin', ...changes];
  await host.exec(['docker', 'import', ...lines.flatMap((line) => ['-c', line]), '/root/image.tar', name]);
  await host.sh(`docker image inspect ${name} >/dev/null`);
}

/** A manifest; what is given in spec is added to the least that an App has, null takes away. */
export function app(name: string, spec: Record<string, unknown> = {}, metadata: object = {}): object {
  const whole = { image: IMAGE, port: 8080, ...spec };
  const present = Object.entries(whole).filter(([, value]) => value !== null);
  return {
    apiVersion: 'holdfast.dev/v1',
    kind: 'App',
    metadata: { name, ...metadata },
    spec: Object.fromEntries(present),
  };
}

export function secret(name: string, stringData: Record<string, string>): object {
  return { apiVersion: 'holdfast.dev/v1', kind: 'Secret', metadata: { name }, spec: { stringData } };
}

const documentsText = (documents: object[]) =>
  documents.map((document) => JSON.stringify(document)).join('\n---\n');

/** The verbs of a person, refusing what goes wrong. */
export class Apps {
  readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  async holdfast(args: string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.host.holdfast(args, { input });
    if (code !== 0) throw new Error(`holdfast ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  apply(...documents: object[]): Promise<string> {
    return this.holdfast(['apply', '-f', '-'], documentsText(documents));
  }

  async plan(...documents: object[]): Promise<Planned[]> {
    return this.#plan(['plan', '-f', '-', '-o', 'json'], documentsText(documents));
  }

  planDeletion(reference: string): Promise<Planned[]> {
    return this.#plan(['plan', '--delete', reference, '-o', 'json']);
  }

  async #plan(args: string[], input = ''): Promise<Planned[]> {
    const { stdout, stderr, code } = await this.host.holdfast(args, { input });
    if (code !== 0) throw new Error(`${stdout}${stderr}`);
    return (JSON.parse(stdout) as { steps: Planned[] }).steps;
  }

  async #api(path: string): Promise<string> {
    const url = `http://localhost/apis/holdfast.dev/v1/${path}`;
    const curl = ['curl', '-s', '--unix-socket', '/run/holdfast/holdfast.sock', url];
    return (await this.host.exec(curl)).stdout;
  }

  async get(name: string, kind = 'apps'): Promise<Document | undefined> {
    const found = JSON.parse(await this.#api(`${kind}/${name}`)) as Document;
    return found.kind === 'Status' ? undefined : found;
  }

  async ready(name: string): Promise<Condition | undefined> {
    const document = await this.get(name);
    const condition = document?.status?.conditions?.find(({ type }) => type === 'Ready');
    const generation = document?.metadata.generation;
    return condition && (condition.observedGeneration ?? 0) === generation ? condition : undefined;
  }

  /** Until Ready speaks of the present generation with this reason. */
  async becomes(name: string, reason: string, seconds = 40): Promise<Condition> {
    let last: Condition | undefined;
    try {
      return await until(
        `app/${name} becomes ${reason}`,
        async () => {
          last = await this.ready(name);
          return last?.reason === reason ? last : undefined;
        },
        { seconds, everyMilliseconds: 150 },
      );
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}; it is ${JSON.stringify(last)}`);
    }
  }

  async serve(...names: string[]): Promise<void> {
    for (const name of names) await this.becomes(name, 'Serving');
  }

  async gone(name: string): Promise<void> {
    await until(`app/${name} is gone`, async () => (await this.get(name)) === undefined);
  }

  /** Oldest first; those after a version only. */
  async events(after = 0): Promise<Happened[]> {
    const { items } = JSON.parse(await this.#api('events')) as { items: Document[] };
    return items
      .map((event) => {
        const spec = event.spec as {
          regarding: { kind: string; name: string };
          type: string;
          reason: string;
          message: string;
          step?: HappenedStep;
        };
        const { kind, name } = spec.regarding;
        return { ...spec, kind, name, version: Number(event.metadata.resourceVersion) };
      })
      .filter(({ version }) => version > after)
      .sort((a, b) => a.version - b.version);
  }

  /** The version of the newest event: what comes later is news. */
  async now(): Promise<number> {
    return (await this.events()).at(-1)?.version ?? 0;
  }

  /** curl that gets the page of a host name as a browser would. */
  curl(name: string): string {
    const host = `${name}.localhost`;
    return `curl -s --fail --max-time 5 --cacert /var/lib/holdfast/authority/ca.pem --resolve ${host}:443:127.0.0.1 https://${host}/`;
  }

  page(name: string): Promise<string> {
    return this.host.sh(this.curl(name));
  }

  /** Until the page is served and has this in it. */
  shows(name: string, words: string | RegExp): Promise<string> {
    return until(`${name}.localhost shows ${words}`, async () => {
      const text = await this.page(name);
      return (typeof words === 'string' ? text.includes(words) : words.test(text)) ? text : undefined;
    });
  }

  container(name: string): string {
    return `holdfast-app-${name}`;
  }

  async status<T extends object>(name: string): Promise<T> {
    return ((await this.get(name))?.status ?? {}) as T;
  }

  /** The fixed address of its container. */
  async address(name: string): Promise<string> {
    const { address } = await this.status<{ address?: string }>(name);
    if (address === undefined) throw new Error(`app/${name} has no address`);
    return address;
  }

  /** What changes when a container is replaced or started again. */
  life(name: string): Promise<string> {
    return this.host.sh(`docker inspect -f '{{.Id}} {{.State.StartedAt}}' ${this.container(name)}`);
  }

  /** Writes as the App's own user. */
  async keep(name: string, file: string, words: string): Promise<void> {
    await this.host.sh(`docker exec ${this.container(name)} sh -c 'echo ${words} >${file}'`);
  }
}
