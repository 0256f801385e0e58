/** The watched folder /etc/holdfast/manifests: what is in it is applied, what is not is pruned, and nothing by accident. */
import * as assert from 'uvu/assert';
import { condition } from '../../../resources/document.ts';
import type { Host } from '../host.ts';
import { until } from '../until.ts';
import { app, documentOf, holdfast, IMAGE, names, page, type Suite, write } from './desk.ts';

const FOLDER = '/etc/holdfast/manifests';
const greeting = (text: string) => app('kept', { env: { GREETING: text } });
const secret = (name: string, metadata: object = {}) =>
  JSON.stringify({
    apiVersion: 'holdfast.dev/v1',
    kind: 'Secret',
    metadata: { name, ...metadata },
    spec: { stringData: { a: 'b' } },
  });

const source = (host: Host) => documentOf(host, 'source/manifests');

/** The condition of the source, once its message matches. */
const told = (host: Host, pattern: RegExp) =>
  until(`the source tells ${pattern}`, async () => {
    const ready = condition(await source(host), 'Ready');
    if (ready !== undefined && pattern.test(ready.message)) return ready;
    throw new Error(`it tells: ${ready?.message}`);
  });

const serves = (host: Host, text: string) =>
  until(
    `the App serves ${text}`,
    async () => (await host.exec(['sh', '-c', page('kept')])).stdout === `greeting=${text}`,
  );

const containers = (host: Host) =>
  host.sh("docker ps -a --filter label=dev.holdfast.managed=true --format '{{.Names}}' | sort");

export function watchedFolder(test: Suite): void {
  test('a file that appears is applied, and one that changes is applied', async ({ host }) => {
    await write(host, `${FOLDER}/kept.yaml`, greeting('one'));
    await serves(host, 'one');
    await write(host, `${FOLDER}/kept.yaml`, greeting('two'));
    await serves(host, 'two');
    const history = await holdfast(host, ['history', 'app/kept']);
    assert.match(history.stdout, /directory.*kept\.yaml/);
  });

  test('a file written slowly, an empty one and a broken one do no harm', async ({ host }) => {
    const before = (await documentOf(host, 'app/kept')).metadata;
    // Emptied, then half of it, which would be a sound document, and after a longer pause than a look waits the rest.
    const text = `apiVersion: holdfast.dev/v1\nkind: App\nmetadata: {name: kept}\nspec:\n  image: ${IMAGE}\n  port: 8080\n  location: kept\n  domain: localhost\n  env:\n    GREETING: th`;
    await write(host, '/root/half', text);
    await host.sh(`(sleep 1; cat /root/half; sleep 2; echo ree) > ${FOLDER}/kept.yaml`);
    await serves(host, 'three');
    await write(host, `${FOLDER}/kept.yaml`, '');
    await told(host, /kept\.yaml is empty, and gave app\/kept before/);
    await write(
      host,
      `${FOLDER}/kept.yaml`,
      'apiVersion: holdfast.dev/v1\nkind: App\nmetadata: {name: kept}\nspec:\n  imge: x\n',
    );
    const ready = await told(host, /kept\.yaml:5:3: spec\.imge: unknown field; did you mean image\?/);
    assert.is(ready.reason, 'FilesFailed');
    const table = await holdfast(host, ['get', 'sources']);
    assert.match(table.stdout, /FILES +FAILED.*\nmanifests +False +FilesFailed +\S+ +1 +1 /);
    assert.match((await holdfast(host, ['describe', 'source/manifests'])).stdout, /did you mean image\?/);
    // Another file is applied meanwhile.
    await write(host, `${FOLDER}/other.yaml`, secret('other'));
    await until('the other file is applied', async () =>
      (await names(host, 'secrets')).includes('secret/other'),
    );
    const after = (await documentOf(host, 'app/kept')).metadata;
    assert.is(after.uid, before.uid);
    assert.is(after.generation, before.generation + 1, 'only what was whole was stored');
    await serves(host, 'three');
  });

  test('what editors do to save deletes nothing', async ({ host }) => {
    const { uid } = (await documentOf(host, 'app/kept')).metadata;
    await write(host, '/root/next', greeting('four'));
    // vim: the old one aside, a new one in its place, the old one away. Others: a new one beside, renamed over it.
    await host.sh(`cd ${FOLDER}
      mv kept.yaml kept.yaml~; cat /root/next > kept.yaml; rm kept.yaml~; touch 4913; rm 4913`);
    await serves(host, 'four');
    await write(host, '/root/next', greeting('five'));
    await host.sh(`cd ${FOLDER}; cp /root/next .kept.yaml.swp; mv .kept.yaml.swp kept.yaml`);
    await serves(host, 'five');
    await host.sh(`cd ${FOLDER}; mv kept.yaml renamed.yaml`);
    await told(host, /2 files with 2 documents applied/);
    await until('the new file is known', async () =>
      JSON.stringify(await source(host)).includes('renamed.yaml'),
    );
    assert.is((await documentOf(host, 'app/kept')).metadata.uid, uid);
  });

  test('a file that is removed takes its App with it, but not what is to be kept', async ({ host }) => {
    await write(
      host,
      `${FOLDER}/other.yaml`,
      secret('other', { annotations: { 'holdfast.dev/keep': 'true' } }),
    );
    await until('the annotation is stored', async () => {
      const { annotations } = (await documentOf(host, 'secret/other')).metadata;
      return annotations?.['holdfast.dev/keep'] === 'true';
    });
    assert.is(await containers(host), 'holdfast-app-a\nholdfast-app-kept');
    await host.sh(`rm ${FOLDER}/renamed.yaml ${FOLDER}/other.yaml`);
    await holdfast(host, ['wait', 'app/kept', '--for=delete', '--timeout', '30s']);
    await until('its container is gone', async () => (await containers(host)) === 'holdfast-app-a');
    assert.is.not((await host.exec(['sh', '-c', page('kept')])).code, 0);
    await told(host, /secret\/other carries holdfast\.dev\/keep/);
    assert.equal(await names(host, 'secrets'), ['secret/other']);
    assert.match(
      (await holdfast(host, ['delete', 'secret/other'], { code: 1 })).stderr,
      /holdfast\.dev\/keep/,
    );
  });

  test('what was removed and added while the controller was down is made good when it starts', async ({
    host,
  }) => {
    await write(host, `${FOLDER}/down.yaml`, `${secret('one')}\n---\n${secret('two')}`);
    await until('they are applied', async () => (await names(host, 'secrets')).length === 3);
    await host.kill('dist/controller/supervise.js');
    await host.kill('bin/holdfast serve');
    const down = await holdfast(host, ['get', 'apps'], { code: 1 });
    assert.match(down.stderr, /Holdfast is not running/);
    await host.sh(`rm ${FOLDER}/down.yaml`);
    await write(host, `${FOLDER}/new.yaml`, secret('new'));
    await holdfast(host, ['up']);
    const wanted = ['secret/new', 'secret/other'];
    await until('the folder counts', async () => {
      const found = (await names(host, 'secrets')).sort();
      return JSON.stringify(found) === JSON.stringify(wanted);
    });
    assert.is(await containers(host), 'holdfast-app-a');
  });
}
