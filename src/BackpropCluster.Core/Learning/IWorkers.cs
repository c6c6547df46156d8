namespace BackpropCluster.Core.Learning;

/// <summary>Cores that one computation may use: its own, and those that nobody else needs. Which piece runs where
/// changes no bit.</summary>
public interface IWorkers
{
    /// <summary>Cores at hand now, the caller's own among them.</summary>
    int Free { get; }

    /// <summary>Runs work(0), work(1), … each once, in any order or side by side, and returns when all are
    /// done.</summary>
    /// <exception cref="Exception">What a piece threw, once all others are done.</exception>
    void Run(int pieces, Action<int> work);
}

/// <summary>The caller's core alone, piece after piece.</summary>
public sealed class OneWorker : IWorkers
{
    public static OneWorker Instance { get; } = new();

    public int Free => 1;

    public void Run(int pieces, Action<int> work)
    {
        for (var piece = 0; piece < pieces; piece++)
            work(piece);
    }
}
