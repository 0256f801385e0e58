import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLog, type Log, type LogFormat, logOptions } from '../../controller/log.ts';

function record(format: LogFormat, write: (log: Log) => void): string[] {
  const lines: string[] = [];
  write(createLog({ format, level: 'debug', output: { write: (line) => void lines.push(line) } }));
  return lines;
}

test('a JSON line carries level, time, message and fields', () => {
  const [line] = record('json', (log) => log.info('applied', { file: 'wiki.yaml', count: 2 }));
  const { time, ...rest } = JSON.parse(line ?? '');
  assert.equal(rest, { level: 'info', message: 'applied', file: 'wiki.yaml', count: 2 });
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
});

test('a text line is one line, also when its message has a line break', () => {
  const [line] = record('text', (log) => log.warn('odd\nname', { path: 'a b', n: 1 }));
  assert.match(line ?? '', /^\S+Z warn {2}odd ⏎ name path="a b" n=1\n$/);
});

test('a log on a full disk fails nothing', () => {
  const program = `
    import { createLog } from ${JSON.stringify(new URL('../../controller/log.ts', import.meta.url).href)};
    const log = createLog();
    for (let line = 0; line < 3; line += 1) log.warn('nobody can read this');
    process.stdout.write('still here');
  `;
  const full = openSync('/dev/full', 'w');
  const args = ['--import', 'tsx', '--input-type=module', '-e', program];
  const ended = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', full], encoding: 'utf8' });
  closeSync(full);
  assert.is(ended.stdout, 'still here');
  assert.is(ended.status, 0);
});

test('a child writes its fields on each line', () => {
  const lines = record('json', (log) => {
    const child = log.child({ kind: 'App' });
    child.info('one');
    child.child({ name: 'wiki' }).info('two');
  });
  assert.equal(JSON.parse(lines[0] ?? '').kind, 'App');
  assert.equal(JSON.parse(lines[1] ?? '').name, 'wiki');
});

const secrets: { name: string; fields: Record<string, unknown> }[] = [
  { name: 'a password', fields: { password: 'hunter2' } },
  { name: 'a password deep inside', fields: { a: { b: [{ dbPassword: 'hunter2' }] } } },
  { name: 'a token written with underscores', fields: { access_token: 'hunter2' } },
  { name: 'an authorization header', fields: { headers: { Authorization: 'Bearer hunter2' } } },
  { name: 'the values of a Secret', fields: { document: { spec: { stringData: { any: 'hunter2' } } } } },
];
for (const row of secrets) {
  for (const format of ['json', 'text'] as const) {
    test(`${row.name} does not reach a ${format} line`, () => {
      const lines = record(format, (log) => {
        log.info('look', row.fields);
        log.child(row.fields).info('look');
      });
      assert.is(lines.length, 2);
      for (const line of lines) {
        assert.not.match(line, 'hunter2');
        assert.match(line, '(hidden)');
      }
    });
  }
}

test('an error keeps its text, code, stack and cause', () => {
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  const [line] = record('json', (log) => log.error('failed', { error: new Error('no engine', { cause }) }));
  const { error } = JSON.parse(line ?? '');
  assert.is(error.message, 'no engine');
  assert.match(error.stack, 'log.test.ts');
  assert.is(error.cause.code, 'ECONNREFUSED');
  const [text] = record('text', (log) => log.error('failed', { error: new Error('no engine') }));
  assert.match(text ?? '', /failed\n {2}Error: no engine\n/);
});

test('a circular field does not throw', () => {
  const fields: Record<string, unknown> = {};
  fields['self'] = fields;
  assert.is(record('json', (log) => log.info('round', fields)).length, 1);
});

test('lines below the level are not written', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'warn', output: { write: (line) => void lines.push(line) } });
  log.info('quiet');
  log.warn('loud');
  assert.is(lines.length, 1);
});

test('level and format come from the environment, and a slip is refused', () => {
  assert.equal(logOptions({}), { level: 'info', format: 'json' });
  assert.equal(logOptions({ LOG_LEVEL: 'DEBUG', LOG_FORMAT: 'text' }), { level: 'debug', format: 'text' });
  assert.throws(() => logOptions({ LOG_FORMAT: 'yaml' }), /LOG_FORMAT is "yaml"; it can be json, text/);
});

test.run();
