/**
 * kill -9 at random moments: a child process writes with many writers at once and prints what was acknowledged; after
 * each kill the store is opened and must hold all of it. HOLDFAST_CRASHES sets how often (default 20).
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import { manifest, open, person, temporaryFolder } from './store-fixture.ts';

const writeTo = process.env.HOLDFAST_TEST_WRITE;
const crashes = Number(process.env.HOLDFAST_CRASHES ?? 20);
const WRITERS = 8;
const limits = { changes: 500, revisions: 12 };

/** Child: creates, changes and deletes for ever; one line `version name generation` for each answer, 0 when deleted. */
async function write(store: SqliteStore, writer: number): Promise<never> {
  for (let round = 0; ; round += 1) {
    const kind = writer % 2 === 0 ? 'Note' : 'Secret';
    const name = `w${writer}-${round % 5}`;
    const spec = { stringData: { value: `${round}`, pad: 'x'.repeat((round * 37) % 3_000) } };
    const present = store.get(kind, name);
    const results =
      present !== undefined && round % 11 === 0
        ? await store.write([{ verb: 'delete', reference: { kind, name } }], person)
        : await store.write(
            [{ verb: 'apply', manager: 'crash', document: manifest(kind, name, spec) }],
            person,
          );
    for (const { outcome, document } of results) {
      const { resourceVersion, generation } = document.metadata;
      process.stdout.write(`${resourceVersion} ${kind}/${name} ${outcome === 'deleted' ? 0 : generation}\n`);
    }
  }
}

interface Acknowledged {
  version: number;
  generation: number;
}

/** When the child is killed: after so many answers, or so long after its start, also before the store is open. */
type Moment = { answers: number } | { milliseconds: number };

/** Every third time by the clock, so that the opening of the store is hit too. */
function moment(round: number): Moment {
  if (round % 3 === 0) return { milliseconds: 150 + Math.random() * 500 };
  return { answers: 1 + Math.floor(Math.random() * 1_500) };
}

/** Adds to `known` the newest state of each document that a child was told of before it was killed. */
function crash(folder: string, known: Map<string, Acknowledged>, when: Moment): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url)], {
    env: { ...process.env, HOLDFAST_TEST_WRITE: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let count = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    const [, version, name, generation] = /^(\d+) (\S+) (\d+)$/.exec(line) ?? [];
    if (name === undefined) return;
    known.set(name, { version: Number(version), generation: Number(generation) });
    count += 1;
    if ('answers' in when && count === when.answers) child.kill('SIGKILL');
  });
  if ('milliseconds' in when) setTimeout(() => child.kill('SIGKILL'), when.milliseconds);
  const closed = new Promise<void>((resolve) => lines.once('close', () => resolve()));
  return new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => {
      if (signal === 'SIGKILL') closed.then(resolve);
      else reject(new Error(`the writer ended by itself with ${code}`));
    });
  });
}

/** What was acknowledged is there, or something newer whose answer the kill cut off. */
function check(store: SqliteStore, known: Map<string, Acknowledged>): void {
  for (const [key, { version, generation }] of known) {
    const [kind = '', name = ''] = key.split('/');
    const document = store.get(kind, name);
    assert.ok(store.version >= version, `version ${version} of ${key} was acknowledged`);
    if (document === undefined) {
      const deletedLater = generation !== 0 && store.version > version;
      assert.ok(generation === 0 || deletedLater, `${key} was acknowledged at version ${version}`);
      continue;
    }
    const present = Number(document.metadata.resourceVersion);
    assert.ok(present >= version, `${key} is at ${present}, acknowledged was ${version}`);
    if (present === version) assert.is(document.metadata.generation, generation);
    assert.equal(store.specAt(kind, name, document.metadata.generation), document.spec);
  }
  assert.equal(store.problems(), []);
}

test(`${crashes} times kill -9 loses nothing that was acknowledged`, async () => {
  const folder = temporaryFolder();
  try {
    const known = new Map<string, Acknowledged>();
    for (let round = 0; round < crashes; round += 1) {
      await crash(folder, known, moment(round));
      const store = open(folder, { limits });
      try {
        check(store, known);
      } finally {
        await store.close();
      }
    }
    assert.ok(known.size > 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

if (writeTo === undefined) {
  test.run();
} else {
  const store = open(writeTo, { limits });
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(store, writer)));
}
