import { suite } from 'uvu';
import { FakeNginx } from '../../reconcilers/drivers/nginx/fake.ts';
import { nginxSuite } from './nginx.suite.ts';

const fake = suite('nginx: fake');

nginxSuite(fake, async () => {
  const nginx = new FakeNginx();
  nginx.refuse((_path, text) =>
    text.includes('holdfast_nonsense') ? 'unknown directive "holdfast_nonsense"' : undefined,
  );
  return {
    nginx,
    port: 8080,
    kill: async () => nginx.kill(),
    replaceProgram: async (kind) => {
      nginx.replaced = kind;
    },
    edit: async (path, text) => nginx.edit(path, text),
    takePort: async (port) => {
      nginx.takePort(port, 'test');
      return async () => nginx.freePort(port);
    },
    close: async () => undefined,
  };
});

fake.run();
