import { request } from 'node:http';
import type { Probe } from './index.ts';
export function createProbe(): Probe {
  return {
    ask: (t, signal) =>
      new Promise((resolve) => {
        const r = request(
          {
            host: t.address,
            port: t.port,
            path: t.path,
            headers: { host: t.host },
            timeout: t.timeoutMilliseconds,
            agent: false,
            ...(signal ? { signal } : {}),
          },
          (res) => {
            res.resume();
            const status = res.statusCode ?? 0;
            resolve({ ok: status < 400, status, message: `status ${status}` });
          },
        );
        r.on('timeout', () => r.destroy(new Error('no answer')));
        r.on('error', (e) => resolve({ ok: false, message: e.message }));
        r.end();
      }),
  };
}
