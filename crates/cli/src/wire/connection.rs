use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{
    NoResponse, Piece, Request, Response, Target,
    response::{self, End, Head},
    roots,
};

/// The most that is kept of a response's body. A receiver's responses are short.
const KEPT: usize = 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    /// Bytes that were read and belong to the next response.
    rest: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Self, NoResponse> {
        let failed = |error: io::Error| NoResponse::Connect(error.to_string());
        let address = (target.host.as_str(), target.port);
        let tcp = timeout(CONNECT, TcpStream::connect(address))
            .await
            .map_err(|_| NoResponse::Timeout(CONNECT))?
            .map_err(failed)?;
        // Pieces are sent when they are said to be.
        tcp.set_nodelay(true).map_err(failed)?;
        let stream: Box<dyn Stream> = if target.is_tls {
            let name = ServerName::try_from(target.host.clone())
                .map_err(|_| NoResponse::Connect("the host is no name that a certificate could have".to_owned()))?;
            let connector = TlsConnector::from(roots::trusted_by(target).map_err(NoResponse::Connect)?);
            let connected = timeout(CONNECT, connector.connect(name, tcp)).await;
            Box::new(connected.map_err(|_| NoResponse::Timeout(CONNECT))?.map_err(failed)?)
        } else {
            Box::new(tcp)
        };
        Ok(Self {
            stream,
            rest: Vec::new(),
        })
    }

    /// Sends a request, and keeps the connection open behind its response.
    pub(crate) async fn request(
        &mut self,
        target: &Target,
        request: &Request,
        limit: Duration,
    ) -> Result<Response, NoResponse> {
        // In one write, so that no delay is between head and body.
        let whole = [&request.head(target, true)[..], &request.framed_body()].concat();
        self.send(&[Piece::Bytes(whole.into())], request.method, limit).await
    }

    async fn send(&mut self, pieces: &[Piece], method: &str, limit: Duration) -> Result<Response, NoResponse> {
        let began = Instant::now();
        let Self { stream, rest } = self;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let write = async {
            for piece in pieces {
                match piece {
                    // A receiver may close before all is there: the response says why.
                    Piece::Bytes(bytes) => {
                        if writer.write_all(bytes).await.is_err() || writer.flush().await.is_err() {
                            break;
                        }
                    }
                    Piece::Pause(time) => tokio::time::sleep(*time).await,
                    Piece::HangUp => return true,
                }
            }
            // The response ends the exchange.
            std::future::pending().await
        };
        let read = read(&mut reader, rest, method);
        tokio::select! {
            read = timeout(limit, read) => {
                let (head, body) = read.map_err(|_| NoResponse::Timeout(limit))??;
                Ok(Response { status: head.status, headers: head.headers, body, took: began.elapsed() })
            }
            _ = write => Err(NoResponse::HungUp),
        }
    }
}

async fn read<R: AsyncRead + Unpin>(
    reader: &mut R,
    rest: &mut Vec<u8>,
    method: &str,
) -> Result<(Head, Vec<u8>), NoResponse> {
    let head = loop {
        match response::head(rest)? {
            // 100 Continue, and its like
            Some(head) if (100..200).contains(&head.status) => {
                rest.drain(..head.end);
            }
            Some(head) => break head,
            None if rest.len() > KEPT => return Err(NoResponse::NotHttp),
            None if more(reader, rest).await => {}
            None => return Err(NoResponse::Closed),
        }
    };
    rest.drain(..head.end);
    let body = match head.body_end(method) {
        End::After(length) => {
            let length = length.min(KEPT);
            while rest.len() < length && more(reader, rest).await {}
            rest.drain(..length.min(rest.len())).collect()
        }
        End::Chunked => loop {
            if let Some((data, taken)) = response::dechunk(rest)? {
                rest.drain(..taken.min(rest.len()));
                break data;
            }
            if rest.len() > KEPT || !more(reader, rest).await {
                break std::mem::take(rest);
            }
        },
        End::Close => {
            while rest.len() < KEPT && more(reader, rest).await {}
            std::mem::take(rest)
        }
    };
    Ok((head, body))
}

/// Reads on; false at the end, however it came.
async fn more<R: AsyncRead + Unpin>(reader: &mut R, into: &mut Vec<u8>) -> bool {
    matches!(reader.read_buf(into).await, Ok(read) if read > 0)
}

/// Sends these pieces over a connection of their own.
pub(crate) async fn exchange(
    target: &Target,
    pieces: &[Piece],
    method: &str,
    limit: Duration,
) -> Result<Response, NoResponse> {
    Connection::open(target).await?.send(pieces, method, limit).await
}
