/** The yardstick: a bare node:http server that answers `{}`. `node bench/bare.ts PORT` */
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end('{}\n');
  });
});
server.listen(Number(process.argv[2]), '127.0.0.1');
