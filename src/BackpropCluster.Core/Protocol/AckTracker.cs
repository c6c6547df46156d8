namespace BackpropCluster.Core.Protocol;

/// <summary>Who has answered and who has not, by number. Each counts once, however often it answers.</summary>
internal sealed class AckTracker
{
    private readonly bool[] awaited;
    private readonly bool[] answered;
    private readonly int count;
    private int missing;

    /// <param name="numbers">Those whose answers are awaited, each once.</param>
    public AckTracker(IEnumerable<int> numbers)
    {
        int[] all = [.. numbers];
        count = missing = all.Length;
        (awaited, answered) = (new bool[all.DefaultIfEmpty(-1).Max() + 1], new bool[all.DefaultIfEmpty(-1).Max() + 1]);
        foreach (var number in all)
            awaited[number] = true;
    }

    public bool IsComplete => missing == 0;

    /// <summary>Ticks off an answer; false if it was known or is not awaited.</summary>
    public bool Acknowledge(int number)
    {
        if (number < 0 || number >= awaited.Length || !awaited[number] || answered[number])
            return false;
        answered[number] = true;
        missing--;
        return true;
    }

    /// <summary>Awaits the answers of all again.</summary>
    public void Reset()
    {
        Array.Clear(answered);
        missing = count;
    }
}
