/** The process of the peer `aedes`: listens on two free ports of loopback and says which. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Aedes } from 'aedes';
import { createWebSocketStream, WebSocketServer } from 'ws';

const host = '127.0.0.1';

const broker = await Aedes.createBroker();
const webServer = createHttpServer();
const webSockets = new WebSocketServer({ server: webServer, perMessageDeflate: false });
webSockets.on('connection', (socket, request) => {
  const stream = createWebSocketStream(socket);
  stream.on('error', () => {}); // a client that has left; aedes is told as well
  broker.handle(stream, request);
});
const tcpServer = createServer((socket) => {
  socket.setNoDelay(true);
  broker.handle(socket);
});

console.log(`ready ${await portOf(webServer)} ${await portOf(tcpServer)}`);

async function portOf(server: Server): Promise<number> {
  server.listen({ host, port: 0, backlog: 4_096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
