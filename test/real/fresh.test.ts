/**
 * The promise of the README on a machine that has nothing but git, node and npm: a copy of this checkout, `npm run up`, and the
 * page is there. Takes minutes, for it installs Docker and nginx from the distribution and may have to compile a package.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import type { Result } from './docker.ts';
import { type Host, startHost } from './host.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-fresh-'));
let host: Host;

/** What a clone has, and what is not committed yet: everything that git does not ignore. */
function packCheckout(): string {
  const options = { cwd: root, maxBuffer: 64 * 1024 * 1024 };
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], options);
  const files = listed
    .toString()
    .split('\0')
    .filter((file) => file !== '' && !file.startsWith('node_modules'));
  const archive = path.join(folder, 'checkout.tar');
  // Files that were deleted and not committed are listed too.
  const args = ['--ignore-failed-read', '--null', '-T', '-', '-cf', archive];
  execFileSync('tar', args, { ...options, input: files.join('\0'), stdio: ['pipe', 'ignore', 'ignore'] });
  return archive;
}

test.before(
  telling(async () => {
    host = await startHost({ name: 'fresh', flavour: 'fresh', project: false });
    await host.sh('mkdir /root/holdfast');
    await host.copyIn(packCheckout(), '/root/checkout.tar');
    await host.sh('tar -C /root/holdfast -xf /root/checkout.tar');
  }),
);
test.after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await host?.remove();
});

const up = (): Promise<Result> =>
  host.exec(['npm', 'run', 'up'], { cwd: '/root/holdfast', timeoutSeconds: 500 });

test('npm run up says what it installs, installs it, and serves the first App', async () => {
  const result = await up();
  assert.is(result.code, 0, `${result.stdout}${result.stderr}`);
  for (const name of ['docker.io', 'iptables', 'nginx-light', 'busybox-static']) {
    assert.match(result.stderr, new RegExp(`will install ${name}: `));
  }
  const said = result.stderr.indexOf('will install docker.io');
  assert.ok(said < result.stderr.indexOf('apt-get install'), 'said before it is done');
  assert.match(result.stdout, /^curl --cacert .+ https:\/\/hello\.localhost\/$/m);
});

test("the distribution's nginx does not run, and nothing of the installation is left over", async () => {
  const masters = await host.sh('pgrep -af "^nginx: master" || true');
  assert.is(masters.split('\n').length, 1);
  assert.match(masters, /\/var\/lib\/holdfast\/nginx/);
  assert.is(await host.sh('ls /usr/sbin/policy-rc.d* 2>/dev/null || true'), '');
});

test('the second time nothing is installed and nothing changes, and it takes no time', async () => {
  const begun = performance.now();
  const result = await up();
  assert.is(result.code, 0, result.stderr);
  assert.match(result.stderr, /nothing to install/);
  assert.match(result.stderr, /Nothing to change/);
  assert.ok(performance.now() - begun < 15_000);
});

test('an nginx that a person put there before is not touched', async () => {
  // The package is there by now, as if a person had installed it; its own configuration takes other ports.
  await host.sh(`
    sed -i 's/listen 80 default_server/listen 8099 default_server/; /listen \\[::\\]/d' /etc/nginx/sites-enabled/default
    nginx
  `);
  const theirs = 'pgrep -f "^nginx: master process nginx$"';
  const before = await host.sh(theirs);
  const down = await host.exec(['npm', 'run', 'down'], { cwd: '/root/holdfast', timeoutSeconds: 120 });
  assert.is(down.code, 0, down.stderr);
  assert.is((await up()).code, 0);
  assert.is(await host.sh(theirs), before);
});

test.run();
