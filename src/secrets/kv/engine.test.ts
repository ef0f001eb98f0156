import { engineConformance } from '../../engine/conformance.ts';
import { kv } from './engine.ts';

engineConformance('kv version 1', {
  type: kv,
  samples: [
    { path: 'team/app', data: { user: 'ada', ttl: '1h' } },
    { path: 'team/db', data: { user: 'bob' } },
    { path: 'team', data: { n: 1 } },
  ],
});

engineConformance('kv version 2', {
  type: kv,
  harness: { options: { version: '2' } },
  samples: [
    { path: 'config', data: { max_versions: 5, delete_version_after: '10h' } },
    { path: 'data/team/app', data: { data: { user: 'ada' } } },
    { path: 'data/team/db', data: { data: { user: 'bob' } } },
    { path: 'data/team', data: { data: { n: 1 } } },
    { path: 'data/team/app', data: { data: { user: 'eve' }, options: { cas: 1 } } },
    { path: 'delete/team/app', data: { versions: [1] } },
    { path: 'undelete/team/app', data: { versions: [1] } },
    { path: 'destroy/team/app', data: { versions: [1] } },
    { path: 'metadata/team/app', data: { max_versions: 3, custom_metadata: { owner: 'ada' } } },
    { path: 'search', data: { query: 'app' } },
  ],
});
