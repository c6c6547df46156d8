using BackpropCluster.Core.Protocol;

namespace BackpropCluster.ClusterTests.Contracts;

/// <summary>Hears the one answer to a request.</summary>
internal sealed class StoreAnswer : IOutbox
{
    private readonly TaskCompletionSource<Message> heard = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<Message> Heard => heard.Task;

    public void Send(Recipients to, Message message)
    {
        Assert.Equal(Recipients.Coordinator, to);
        heard.SetResult(message);
    }

    public void Observe(Observation observation) => throw new NotSupportedException("a store is asked, not observed");
}
