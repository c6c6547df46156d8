using System.Net;
using System.Security.Cryptography;
using System.Text;
using BackpropCluster.Cli.CommandLine;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace BackpropCluster.Cli.Http;

/// <summary>Decides who sees the dashboard: on loopback whoever is on this machine; beyond it, who has the
/// token.</summary>
/// <remarks>A token that is set is asked for on loopback too. Traffic is not encrypted: whoever can read it can read
/// the token.</remarks>
internal sealed class DashboardGuard
{
    /// <summary>Holds the token, where no list of processes shows it.</summary>
    public const string TokenVariable = "BACKPROP_DASHBOARD_TOKEN";

    private readonly bool isLocal;
    private readonly byte[]? tokenSha256;

    private DashboardGuard(bool isLocal, byte[]? tokenSha256) =>
        (this.isLocal, this.tokenSha256) = (isLocal, tokenSha256);

    /// <param name="listen">The address that is listened on.</param>
    /// <param name="token">What <see cref="TokenVariable"/> holds; empty is none.</param>
    /// <exception cref="CommandFailedException">Everybody would see it, or nobody.</exception>
    public static DashboardGuard For(IPAddress listen, string? token)
    {
        var isLocal = IPAddress.IsLoopback(listen);
        if (string.IsNullOrEmpty(token))
            return isLocal
                ? new(isLocal, null)
                : throw new CommandFailedException(
                    ExitCode.Usage,
                    $"--listen {listen} would show Orleans' dashboard to everybody who reaches this machine: "
                        + $"{TokenVariable} is not set. Nothing was started. Set it to a long secret, such as "
                        + $"openssl rand -hex 24 prints, or leave --listen or --orleans-dashboard out."
                );
        // Not what was got: it is a secret.
        return token.All(c => c is > ' ' and <= '~')
            ? new(isLocal, Sha256(token))
            : throw new CommandFailedException(
                ExitCode.Usage,
                $"{TokenVariable} holds a space, a line's end or a letter beyond ASCII, expected what an HTTP "
                    + $"header can carry. Nothing was started. Set it to such as openssl rand -hex 24 prints."
            );
    }

    /// <summary>Whether a request may go on; otherwise its answer says why not.</summary>
    public bool Admits(HttpContext context)
    {
        // A page from elsewhere whose name now leads to 127.0.0.1 is this machine's to a browser, but it does not know
        // our names.
        if (isLocal && !IsLocalName(context.Request.Host.Host))
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
        else if (tokenSha256 is null || HasToken(context.Request.Headers.Authorization))
            return true;
        else
            (context.Response.StatusCode, context.Response.Headers.WWWAuthenticate) = (
                StatusCodes.Status401Unauthorized,
                "Basic realm=\"backprop\""
            );
        return false;
    }

    private static bool IsLocalName(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    // "Bearer TOKEN", or as browsers ask for it: "Basic" and base64 of "anybody:TOKEN".
    private bool HasToken(StringValues authorization)
    {
        if (authorization.Count != 1 || authorization[0]!.Split(' ', 2) is not [var scheme, var given])
            return false;
        if (scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
            return IsToken(given);
        var decoded = new byte[given.Length];
        if (
            !scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase)
            || !Convert.TryFromBase64String(given, decoded, out var length)
        )
            return false;
        var userAndPassword = Encoding.UTF8.GetString(decoded, 0, length);
        return userAndPassword.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon
            && IsToken(userAndPassword[(colon + 1)..]);
    }

    // Hashes are of one length, and are compared to their end: how long it takes tells nothing of the token.
    private bool IsToken(string given) => CryptographicOperations.FixedTimeEquals(Sha256(given), tokenSha256);

    private static byte[] Sha256(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
