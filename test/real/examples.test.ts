/** The examples beyond the first, on a whole host: a package with data and a port, and an App with a Secret. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { type Host, project, startHost } from './host.ts';
import { until } from './until.ts';

let host: Host;

test.before(
  telling(async () => {
    host = await startHost({ name: 'examples' });
    const up = await host.holdfast(['up', '--examples'], { timeoutSeconds: 240 });
    assert.is(up.code, 0, `${up.stdout}${up.stderr}`);
  }),
);
test.after(async () => {
  await host?.remove();
});

async function apply(file: string): Promise<void> {
  const result = await host.holdfast(['apply', '-f', `${project}/examples/${file}`]);
  assert.is(result.code, 0, `${result.stdout}${result.stderr}`);
}

/** Asked until it is served; the first page of a new App may come a moment after it is Ready. */
function page(name: string): Promise<string> {
  const curl = `curl -sS --fail --cacert /var/lib/holdfast/authority/ca.pem --resolve ${name}.localhost:443:127.0.0.1 https://${name}.localhost/`;
  return until(`https://${name}.localhost/ is served`, () => host.sh(curl), { seconds: 60 });
}

test('the package keeps its data and answers on its port', async () => {
  await apply('package.yaml');
  assert.match(await page('echo'), /id="visits">1 visit/);
  const answer = await until('the port answers', async () => {
    const said = await host.sh('printf "ping\\n" | timeout 2 busybox nc 127.0.0.1 7007 || true');
    return said === 'ping' ? said : undefined;
  });
  assert.is(answer, 'ping');
});

test('the Secret reaches the App that uses it, and no output of holdfast', async () => {
  await apply('secret.yaml');
  const text = await page('greeter');
  assert.match(text, /<h1>Good day<\/h1>/);
  assert.match(text, /given, 9 characters long/);
  const shown = await host.holdfast(['get', 'secret', 'greeter', '-o', 'yaml']);
  assert.is(shown.code, 0, shown.stderr);
  assert.not.match(shown.stdout, /change-me/);
});

test('the Platform of the examples is taken as it is', async () => {
  await apply('platform.yaml');
  assert.match(await page('hello'), /Hello from Holdfast/);
});

test.run();
