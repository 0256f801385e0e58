/** Domains in the whole controller on fakes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { API_VERSION } from '../../resources/document.ts';
import { appManifest, startController } from '../support/controller.ts';

test('a Domain that waits to be deleted goes as soon as the last App has left it for another', async () => {
  const controller = await startController();
  try {
    const metadata = { name: 'example.com' };
    await controller.apply(
      {
        apiVersion: API_VERSION,
        kind: 'Domain',
        metadata,
        spec: { provider: 'cloudflare', credentials: { secret: 'dns' } },
      },
      appManifest('shop', { domain: 'example.com' }),
    );
    await controller.pass(5_000);
    assert.is((await controller.holdfast(['delete', 'domain/example.com'])).code, 0);
    await controller.pass(5_000);
    assert.match(controller.ready('Domain', 'example.com').message, /it is used by app\/shop/);
    await controller.apply(appManifest('shop'));
    await controller.pass(5_000);
    assert.is(controller.get('Domain', 'example.com'), undefined);
  } finally {
    await controller.close();
  }
});

test.run();
